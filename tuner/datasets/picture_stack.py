"""The pictures of one folder in one array, which has opacity and 16 bits only where pictures have them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.large_arrays import empty_array
from tuner.datasets.picture_file import StoredPicture
from tuner.datasets.reading import Size, StoredImages
from tuner.datasets.stored_rows import windows

_OPAQUE = 255


class PictureStack:
    """Collects pictures one by one, scaled to one size."""

    def __init__(self, n_pictures: int, *, size: Size, channels: int, where: Path) -> None:
        self._where = where
        self._size = size
        self._channels = channels
        self._values: NDArray[Any] = self._empty((n_pictures, *size, channels), np.dtype(np.uint8))
        self._bits = np.full(n_pictures, 8, np.uint8)
        self._limits = np.zeros((n_pictures, 2))
        self._n_halved = 0
        self._n_faint = 0
        self._sizes: set[Size] = set()

    def put(self, index: int, picture: StoredPicture) -> None:
        """Add the picture of that index.

        Raises:
            UnreadableDataError: The array would no longer fit into memory.
        """
        self._sizes.add(picture.size)
        values = picture.scale(self._size)
        self._widen(values)
        self._values[index, :, :, : values.shape[2]] = values
        self._bits[index] = picture.bits
        self._limits[index] = picture.limits
        self._n_halved += picture.is_halved
        self._n_faint += picture.is_faint

    def to_images(self) -> StoredImages:
        """Return all pictures that were put in."""
        return StoredImages(
            values=self._values,
            has_alpha=self._has_alpha,
            bits=self._bits,
            n_halved=self._n_halved,
            n_faint=self._n_faint,
            limits=self._limits,
            stored_size=next(iter(self._sizes)) if len(self._sizes) == 1 else None,
        )

    @property
    def _has_alpha(self) -> bool:
        return bool(self._values.shape[3] > self._channels)

    def _widen(self, values: NDArray[Any]) -> None:
        """Add opacity or 16 bits to the array where these values have them and it does not."""
        channels = max(self._values.shape[3], values.shape[2])
        dtype = np.promote_types(self._values.dtype, values.dtype)
        if (channels, dtype) == (self._values.shape[3], self._values.dtype):
            return
        wider = self._empty((*self._values.shape[:3], channels), dtype)
        for window in windows(wider):
            wider[window, ..., self._channels :] = _OPAQUE
            wider[window, ..., : self._values.shape[3]] = self._values[window]
        self._values = wider

    def _empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        return empty_array(shape, dtype, where=self._where)
