"""Arrays of any size: small ones in memory, larger ones in files without a name, which end with the process.

They are NumPy's arrays either way. Who goes over one of any size does so in `stored_rows.windows`, so that nothing of
its size is in memory: the system keeps as much of the file there as it has room for.
"""

import errno
import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tuner.datasets.reading import UnreadableDataError
from tuner.datasets.stored_rows import RowsOf, windows

#: Bytes up to which an array is in memory. A dataset has some of them at a time while it is read.
LARGEST_IN_MEMORY = 2**28

#: Numbers of the errors of a disk that is full.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_GIB = 2**30
_DISK_REMEDY = "Free some space, let TMPDIR name a folder on a larger disk, or use fewer or smaller images."


def scratch_folder() -> Path:
    """Return where arrays are that do not go into memory: TMPDIR, else /var/tmp, as /tmp is memory on many machines."""
    chosen, on_disk = tempfile.gettempdir(), "/var/tmp"  # noqa: S108 - the files there have no names
    return Path(on_disk if chosen == "/tmp" and os.access(on_disk, os.W_OK) else chosen)  # noqa: S108 - see above


def check_decoded_size(shape: Sequence[int], *, item_bytes: int, where: Path | str) -> None:
    """Refuse an array that fits neither into memory nor on the disk, before it is decoded.

    Raises:
        UnreadableDataError: It does not.
    """
    n_bytes = math.prod(shape) * item_bytes
    if n_bytes <= LARGEST_IN_MEMORY:
        return
    folder = scratch_folder()
    n_free = free_disk_bytes(folder)
    if n_bytes > n_free:
        size = " x ".join(str(length) for length in shape)
        problem = (
            f"declares {size} values, {n_bytes / _GIB:.1f} GiB decoded, and {n_free / _GIB:.1f} GiB of disk are free "
            f"in {folder}"
        )
        raise UnreadableDataError(where, problem, remedy=_DISK_REMEDY)


def free_disk_bytes(folder: Path) -> int:
    """Return how much more the folder's disk can hold."""
    return shutil.disk_usage(folder).free


def empty_array(shape: Sequence[int], dtype: DTypeLike, *, where: Path | str) -> NDArray[Any]:
    """Return an array to be filled.

    Args:
        shape: Its shape.
        dtype: Its type, of a fixed size.
        where: What an error names.

    Raises:
        UnreadableDataError: It fits neither into memory nor on the disk.
    """
    kind = np.dtype(dtype)
    check_decoded_size(shape, item_bytes=kind.itemsize, where=where)
    n_bytes = math.prod(shape) * kind.itemsize
    if n_bytes <= LARGEST_IN_MEMORY:
        return np.empty(tuple(shape), kind)
    folder = scratch_folder()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            reserve(file, n_bytes)
            return np.asarray(np.memmap(file, dtype=kind, mode="r+", shape=tuple(shape)))
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise _no_room(where, n_bytes, folder) from error


def reserve(file: IO[bytes], n_bytes: int) -> None:
    """Give an empty file its size and its room on the disk.

    Raises:
        OSError: There is too little; written through a mapping later, it would end the process.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, n_bytes)
    else:
        file.truncate(n_bytes)


def read_into(file: IO[bytes], array: NDArray[Any]) -> int:
    """Fill an array from a file, some megabytes at a time; return how many bytes there were, at most as many as it has.

    What the file raises is raised.
    """
    content = array.reshape(-1).view(np.uint8)
    n_read = 0
    for window in windows(content):
        piece = file.read(window.stop - window.start)
        content[n_read : n_read + len(piece)] = np.frombuffer(piece, np.uint8)
        n_read += len(piece)
        if len(piece) < window.stop - window.start:
            break
    return n_read


def take_rows(array: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
    """Return rows of an array in their order, as `array[rows]` does; many are not read yet, see `RowsOf`."""
    if len(rows) * array[:1].nbytes <= LARGEST_IN_MEMORY:
        return np.asarray(array[rows])
    whole, chosen = (array.array, array.rows[rows]) if isinstance(array, RowsOf) else (array, rows)
    # Used as an array is, by those who take images.
    return cast("NDArray[Any]", RowsOf(whole, np.asarray(chosen, np.intp)))


def join_arrays(first: NDArray[Any], second: NDArray[Any], *, where: Path | str) -> NDArray[Any]:
    """Return the rows of both arrays, as `numpy.concatenate` does.

    Raises:
        UnreadableDataError: The disk has no room for them.
    """
    if first.nbytes + second.nbytes <= LARGEST_IN_MEMORY or first.shape[1:] != second.shape[1:]:
        return np.concatenate([first, second])
    joined = empty_array((len(first) + len(second), *first.shape[1:]), np.result_type(first, second), where=where)
    for part, begin in ((first, 0), (second, len(first))):
        for window in windows(part):
            joined[begin + window.start : begin + window.stop] = part[window]
    return joined


def map_file(path: Path) -> NDArray[Any]:
    """Return the array of an `.npy` file, mapped, so that all processes share the pages; nobody writes to it.

    Raises:
        OSError: It is missing or cannot be read.
        ValueError: It is damaged.
    """
    try:
        # Copy on write, because TensorFlow and JAX copy memory that they could not write to.
        return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
    except OSError:
        # The system keeps room for what might be written: of a file that is larger than memory it refuses to.
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


class GrowingArray:
    """Rows that come in pieces, of a type that holds all of them, as of `numpy.concatenate`; closed by `with`."""

    def __init__(self, *, where: Path | str) -> None:
        self._where = where
        #: The last ones, in memory.
        self._pieces: list[NDArray[Any]] = []
        #: Those before.
        self._file: IO[bytes] | None = None
        self._dtype: np.dtype[Any] | None = None
        self._n_in_file = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What is mapped stays.
        if self._file is not None:
            self._file.close()

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows after the others, of the same shape.

        Raises:
            UnreadableDataError: The disk has no room for them.
        """
        self._pieces.append(rows)
        if sum(piece.nbytes for piece in self._pieces) > LARGEST_IN_MEMORY:
            self._move_to_file()

    def to_array(self) -> NDArray[Any]:
        """Return all rows, of which there must be some.

        Raises:
            UnreadableDataError: As in `append`.
        """
        if self._file is None:
            return np.concatenate(self._pieces)
        row_shape = self._pieces[0].shape[1:]
        self._move_to_file()
        return self._map(row_shape)

    def _move_to_file(self) -> None:
        dtype = np.result_type(*self._pieces, *([] if self._dtype is None else [self._dtype]))
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=scratch_folder())  # noqa: SIM115 - closed with this object
            elif dtype != self._dtype:
                narrower = self._map(self._pieces[0].shape[1:])
                self._file.close()
                self._file = tempfile.TemporaryFile(dir=scratch_folder())  # noqa: SIM115 - as above
                for window in windows(narrower):
                    self._file.write(narrower[window].astype(dtype).data)
            for piece in self._pieces:
                self._file.write(np.ascontiguousarray(piece, dtype).data)
            self._file.flush()
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise _no_room(self._where, self._n_in_file * self._pieces[0][:1].nbytes, scratch_folder()) from error
        self._dtype, self._n_in_file = dtype, self._n_in_file + sum(map(len, self._pieces))
        # One is kept for its shape.
        self._pieces = [self._pieces[0][:0].copy()]

    def _map(self, row_shape: tuple[int, ...]) -> NDArray[Any]:
        assert self._file is not None and self._dtype is not None  # noqa: S101, PT018 - for mypy
        return np.asarray(np.memmap(self._file, self._dtype, "r+", shape=(self._n_in_file, *row_shape)))


def _no_room(where: Path | str, n_bytes: int, folder: Path) -> UnreadableDataError:
    problem = f"needs {n_bytes / _GIB:.1f} GiB of disk and more, which {folder} does not have"
    return UnreadableDataError(where, problem, remedy=_DISK_REMEDY)
