"""Numpy arrays as the bytes of an `.npz`, with no pickle and nothing that could grow on reading."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.errors import TunerError


class ArraysUnreadableError(TunerError):
    """The bytes are not an `.npz` with exactly the arrays that belong there."""


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
            members = archive.infolist()
        _check_members(members, wanted, len(content))
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in wanted}
    # A forged array header is read, never obeyed: numpy fails to allocate, or finds the data too short.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, MemoryError) as error:
        raise ArraysUnreadableError(f"not an .npz of plain numbers ({error})") from error


def _check_members(members: list[zipfile.ZipInfo], wanted: list[str], n_bytes: int) -> None:
    if sorted(member.filename for member in members) != sorted(f"{name}.npy" for name in wanted):
        raise ValueError(f"received {len(members)} arrays, expected {len(wanted)} of certain names")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("compressed arrays")
    if sum(member.file_size for member in members) > n_bytes:
        raise ValueError("arrays larger than the file")
