"""The pictures of one folder in one array, which has opacity and more than 8 bits only where pictures have them.

The array is in memory, or in a file of a folder, beside a table of what is known of each picture: what is there already
need not be decoded again.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.large_arrays import empty_array, map_file
from tuner.datasets.pictures.file import StoredPicture
from tuner.datasets.reading import ResizeHow, Size, StoredImages
from tuner.datasets.stored_rows import windows

_OPAQUE = 255
#: What is known of each picture; `done` says that its pixels are in the array.
_FACTS = np.dtype(
    [("done", "?"), ("bits", "u1"), ("limits", "f8", 2), ("halved", "?"), ("faint", "?"), ("size", "i4", 2)]
)
_FACTS_FILE = "facts.npy"


@dataclass(frozen=True, kw_only=True, eq=False)
class ScaledPicture:
    """One picture in the size of its folder's, with what is known of its file."""

    #: uint8, uint16 or float32, shape (height, width, channels), opacity comes last.
    values: NDArray[Any]
    bits: int
    limits: tuple[float, float]
    is_halved: bool
    is_faint: bool
    #: Height and width in the file.
    stored_size: Size


def scale_stored(picture: StoredPicture, size: Size, how: ResizeHow) -> ScaledPicture:
    """Return a picture in this size."""
    return ScaledPicture(
        values=picture.scale(size, how),
        bits=picture.bits,
        limits=picture.limits,
        is_halved=picture.is_halved,
        is_faint=picture.is_faint,
        stored_size=picture.size,
    )


class PictureStack:
    """Collects pictures one by one, which have one size."""

    def __init__(self, n_pictures: int, *, size: Size, channels: int, where: Path, folder: Path | None = None) -> None:
        """Begin, or go on with what an earlier process has left.

        Args:
            n_pictures: Of the folder.
            size: Height and width of all of them.
            channels: 1 for grey, 3 for RGB.
            where: What an error names.
            folder: Holds the array and the table; with None they are in memory.

        Raises:
            UnreadableDataError: The array would not fit into memory.
            OSError: The folder cannot be written.
        """
        self._where = where
        self._folder = folder
        self._channels = channels
        found = None if folder is None else _find_arrays(folder, (n_pictures, *size), channels)
        if found is None:
            self._values = self._empty((n_pictures, *size, channels), np.dtype(np.uint8))
            self._facts = self._zeros(n_pictures)
        else:
            self._values, self._facts = found

    @property
    def missing(self) -> NDArray[np.intp]:
        """The indices of the pictures that were not put in."""
        return np.flatnonzero(~self._facts["done"])

    def put(self, index: int, picture: ScaledPicture) -> None:
        """Add the picture of that index.

        Raises:
            UnreadableDataError: The array would no longer fit into memory.
        """
        self._widen(picture.values)
        self._values[index, :, :, : picture.values.shape[2]] = picture.values
        facts = (False, picture.bits, picture.limits, picture.is_halved, picture.is_faint, picture.stored_size)
        self._facts[index] = facts

    def mark_done(self, indices: NDArray[np.intp]) -> None:
        """Write pictures that were put in to the disk, before the table says that they are there."""
        if isinstance(self._values, np.memmap):
            self._values.flush()
        self._facts["done"][indices] = True
        if isinstance(self._facts, np.memmap):
            self._facts.flush()

    def to_images(self) -> StoredImages:
        """Return all pictures."""
        return _to_images(self._values, self._facts, self._channels)

    def _widen(self, values: NDArray[Any]) -> None:
        """Add opacity or bits to the array where these values have them and it does not."""
        channels = max(self._values.shape[3], values.shape[2])
        dtype = np.promote_types(self._values.dtype, values.dtype)
        narrow = self._values
        if (channels, dtype) == (narrow.shape[3], narrow.dtype):
            return
        wider = self._empty((*narrow.shape[:3], channels), dtype)
        for window in windows(wider):
            wider[window, ..., self._channels :] = _OPAQUE
            wider[window, ..., : narrow.shape[3]] = narrow[window]
        self._values = wider
        if self._folder is not None:
            _file_of(self._folder, narrow.shape[3], narrow.dtype).unlink()

    def _empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        if self._folder is None:
            return empty_array(shape, dtype, where=self._where)
        return _create(_file_of(self._folder, shape[3], dtype), shape, dtype)

    def _zeros(self, n_pictures: int) -> NDArray[Any]:
        if self._folder is None:
            return np.zeros(n_pictures, _FACTS)
        return _create(self._folder / _FACTS_FILE, (n_pictures,), _FACTS)


def open_stack(folder: Path, *, channels: int) -> StoredImages:
    """Return the pictures of a folder that has all of them, mapped from its files: all processes share the memory.

    Raises:
        OSError: A file is missing or cannot be read.
        ValueError: One is damaged.
    """
    (file,) = folder.glob("values-*.npy")
    return _to_images(map_file(file), np.load(folder / _FACTS_FILE, allow_pickle=False), channels)


def _to_images(values: NDArray[Any], facts: NDArray[Any], channels: int) -> StoredImages:
    sizes = np.unique(facts["size"], axis=0)
    return StoredImages(
        values=values,
        has_alpha=bool(values.shape[3] > channels),
        bits=np.array(facts["bits"]),
        n_halved=int(facts["halved"].sum()),
        n_faint=int(facts["faint"].sum()),
        limits=np.array(facts["limits"]),
        stored_size=(int(sizes[0, 0]), int(sizes[0, 1])) if len(sizes) == 1 else None,
    )


def _file_of(folder: Path, channels: int, dtype: np.dtype[Any]) -> Path:
    return folder / f"values-{channels}-{dtype.name}.npy"


def _create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    # A full disk is an error here; later it would end the process when a page is written.
    with path.open("r+b") as file, suppress(AttributeError):
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _find_arrays(folder: Path, shape: tuple[int, ...], channels: int) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return what an earlier process has written, or None where it is nothing that fits."""
    files = sorted(folder.glob("values-*.npy"))
    try:
        facts = np.lib.format.open_memmap(folder / _FACTS_FILE, mode="r+")
        # Two where the process ended while the array was widened.
        (file,) = files
        values = np.lib.format.open_memmap(file, mode="r+")
    except (OSError, ValueError):
        return None
    fits = values.shape[:3] == shape and values.shape[3] - channels in {0, 1}
    return (values, facts) if fits and facts.dtype == _FACTS and facts.shape == shape[:1] else None
