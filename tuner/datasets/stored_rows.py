"""Rows of arrays that may lie in files and be larger than memory, read in the way that is fastest from a disk.

The system is given the places of all rows before the first is read, so that it reads them at once, in their order and
no more than them: a page fault at a time waits for each, and reads 128 KiB around it. The pages that were read leave
the process again, so that it does not grow with what it has seen.
"""

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Bytes of an array that are looked at, and may be copied, at a time.
WINDOW_BYTES = 2**26
#: Bytes between two rows up to which both are read as one piece: less than the disk's answer takes.
_LARGEST_GAP = 2**14
#: What TensorFlow's kernels expect of an address.
_ALIGNMENT = 64


class RowsOf:
    """Some rows of an array, in an order of their own, of which none is read before it is asked for.

    It is used as an array is: by its shape and by indices in brackets. What makes
    an array of it, as most of NumPy's functions do, reads all of its rows into memory.
    """

    def __init__(self, array: NDArray[Any], rows: NDArray[np.intp]) -> None:
        self.array, self.rows = array, rows
        self.shape, self.dtype, self.ndim = (len(rows), *array.shape[1:]), array.dtype, array.ndim

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> NDArray[Any]:
        """Return the array of one row, or of some; `place` may be followed by places in the other axes."""
        first, *others = place if isinstance(place, tuple) else (place,)
        if first is Ellipsis:
            return np.asarray(self.array[self.rows][place])
        rows = self.rows[first]
        return np.asarray(self.array[rows][(slice(None), *others) if np.ndim(rows) else tuple(others)])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - NumPy's protocol
        del copy
        return np.asarray(self[:], dtype)


def read_rows(array: NDArray[np.uint8], rows: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Return rows of an array, copied into memory of their own, which begins at a multiple of 64 bytes.

    Args:
        array: uint8, shape (n, …); in memory, mapped from a file, or `RowsOf` such an array.
        rows: Indices, shape (k,); of mapped arrays sorted ones are read fastest.
    """
    if isinstance(array, RowsOf):
        return read_rows(array.array, array.rows[rows])
    taken = _empty_aligned((len(rows), *array.shape[1:]))
    mapping = _find_mapping(array)
    if mapping is not None:
        mapping.announce(rows)
    # Of indices that are right anyway; with `raise` NumPy would fill a copy first.
    np.take(array, rows, axis=0, out=taken, mode="clip")
    if mapping is not None:
        mapping.release()
    return taken


def windows(array: NDArray[Any], *, window_bytes: int | None = None) -> Iterator[slice]:
    """Yield slices of an array's first axis, some megabytes each, of which the pages are released after use."""
    n_rows = max(1, (window_bytes or WINDOW_BYTES) // max(1, array[:1].nbytes))
    mapping = _find_mapping(array.array if isinstance(array, RowsOf) else array)
    for first in range(0, len(array), n_rows):
        yield slice(first, min(first + n_rows, len(array)))
        if mapping is not None:
            mapping.release()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Mapping:
    """Where an array's rows lie in a mapped file."""

    memory: mmap.mmap
    #: Bytes of the mapping before the first row.
    offset: int
    row_bytes: int

    def announce(self, rows: NDArray[np.intp]) -> None:
        """Tell the system which rows will be read."""
        if not hasattr(mmap, "MADV_WILLNEED") or not len(rows):
            return
        begins = self.offset + rows.astype(np.int64) * self.row_bytes
        ends = begins + self.row_bytes
        apart = np.flatnonzero((begins[1:] - ends[:-1] > _LARGEST_GAP) | (begins[1:] < begins[:-1]))
        firsts = begins[np.concatenate([[0], apart + 1])] // mmap.PAGESIZE * mmap.PAGESIZE
        lasts = ends[np.concatenate([apart, [len(rows) - 1]])]
        for begin, end in zip(firsts.tolist(), lasts.tolist(), strict=True):
            self.memory.madvise(mmap.MADV_WILLNEED, begin, end - begin)

    def release(self) -> None:
        """Take the pages out of the process; the system keeps them as long as it has room."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.memory.madvise(mmap.MADV_DONTNEED)


def _find_mapping(array: NDArray[Any]) -> _Mapping | None:
    """Return where the rows of a mapped array lie; None for others, and for rows that are no pieces of the file."""
    base: Any = array
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    if base is None or not isinstance(base.base, mmap.mmap) or not len(array) or not array.flags.c_contiguous:
        return None
    begin = array.ctypes.data - np.frombuffer(base.base, np.uint8).ctypes.data
    return _Mapping(memory=base.base, offset=begin, row_bytes=array[:1].nbytes)


def _empty_aligned(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    n_bytes = int(np.prod(shape))
    memory = np.empty(n_bytes + _ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % _ALIGNMENT
    return memory[begin : begin + n_bytes].reshape(shape)
