"""NumPy arrays as the bytes of an `.npz`, without pickle and without compression, so that reading cannot inflate it."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.formats.npy import declared_bytes, read_npy_header
from tuner.errors import TunerError, shorten


class ArraysUnreadableError(TunerError):
    """The bytes are not an `.npz` with exactly the expected arrays."""


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return an uncompressed `.npz` of these arrays; equal arrays give equal bytes.

    Raises:
        ValueError: An array holds Python objects.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack_arrays(content: bytes, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays that `pack_arrays` packed, by name in the order of `names`.

    Raises:
        ArraysUnreadableError: Not an `.npz`, other arrays than `names`, compressed members or Python objects.
    """
    wanted = list(names)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_members(archive.infolist(), wanted, len(content))
            return {name: _read_member(archive, f"{name}.npy") for name in wanted}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ArraysUnreadableError(f"not an .npz of plain numbers ({shorten(str(error), width=200)})") from error


def _read_member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Return an array after checking that its header declares the size of the member."""
    content = archive.read(name)
    file = io.BytesIO(content)
    shape, is_fortran, dtype = read_npy_header(file)
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects (a pickle)")
    if len(content) - file.tell() != declared_bytes(shape, dtype):
        raise ValueError(f"{name} holds other bytes than its header declares")
    flat = np.frombuffer(content, dtype, offset=file.tell())
    # Copied, because arrays over bytes are read-only.
    return flat.reshape(shape, order="F" if is_fortran else "C").copy(order="K")


def _check_members(members: list[zipfile.ZipInfo], wanted: list[str], n_bytes: int) -> None:
    if sorted(member.filename for member in members) != sorted(f"{name}.npy" for name in wanted):
        raise ValueError(f"received {len(members)} arrays, expected {len(wanted)} of certain names")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("compressed arrays")
    if sum(member.file_size for member in members) > n_bytes:
        raise ValueError("arrays larger than the file")
