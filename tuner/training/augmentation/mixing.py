"""Mixup, Zhang et al., arXiv:1710.09412, and cutmix, Yun et al., arXiv:1905.04899: two images become one."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from keras import ops
from numpy.typing import NDArray

from tuner.training.augmentation.boxes import inside
from tuner.training.augmentation.kind import Draws, ImageShape, Streams
from tuner.training_settings import Augmentation


class Mixing:
    """A `Kind`: each image is mixed with another one of its batch, and so are their targets, which must be one-hot.

    Mixup blends the whole images; cutmix fills a box of one from the other, and blends the targets by area. With both,
    each image draws which of the two it gets.
    """

    STREAMS: ClassVar[tuple[int, ...]] = (5,)

    def __init__(self, augmentation: Augmentation, shape: ImageShape) -> None:
        self._mixup, self._cutmix = augmentation.mixup, augmentation.cutmix
        self._height, self._width, _ = shape

    @classmethod
    def set_up(cls, augmentation: Augmentation, shape: ImageShape) -> Self | None:
        """See `Kind`."""
        return cls(augmentation, shape) if augmentation.mixes else None

    def draw(self, streams: Streams, n: int, batch_size: int) -> dict[str, NDArray[Any]]:
        """Draw partners and shares.

        Returns:
            `partners`: int32, shape (n,), positions within the image's own batch; `blends`: float32, shape (n,), the
            share of the image itself outside the box, 1 for cutmix; `boxes`: int32, shape (n, 4), top, left, bottom and
            right, the last two excluded, of what the partner fills, 0 for mixup.
        """
        rng = streams(self.STREAMS[0])
        batch_sizes = np.minimum(batch_size, n - np.arange(n) // batch_size * batch_size)
        partners = (rng.random(n) * batch_sizes).astype(np.int32)
        cuts = rng.random(n) < (0.5 if self._mixup and self._cutmix else bool(self._cutmix))
        blends = np.ones(n)
        if self._mixup:
            blends = np.where(cuts, 1.0, rng.beta(self._mixup, self._mixup, n))
        boxes = np.zeros((n, 4), np.int32)
        if self._cutmix:
            left_over = rng.beta(self._cutmix, self._cutmix, n)
            boxes = np.where(cuts[:, None], self._draw_boxes(left_over, rng), 0).astype(np.int32)
        return {"partners": partners, "blends": blends.astype(np.float32), "boxes": boxes}

    def _draw_boxes(self, left_over: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw boxes of the image's proportions that leave this share of it, centred anywhere, cut off at borders."""
        sides = np.array([self._height, self._width])
        half = np.sqrt(1 - left_over)[:, None] * sides / 2
        centres = rng.random((len(left_over), 2)) * sides
        corners = [np.clip(np.rint(centres + sign * half), 0, sides) for sign in (-1, 1)]
        return np.concatenate(corners, axis=1).astype(np.int64)

    def apply(self, pictures: Any, others: Sequence[Any], draws: Draws) -> tuple[Any, Sequence[Any]]:
        """See `Kind`."""
        positions, box, blends = draws["partners"], draws["boxes"], draws["blends"]
        partners = ops.take(pictures, positions, axis=0)
        shares = blends[:, None, None, None]
        filled = inside(box[:, :2], box[:, 2:], height=self._height, width=self._width)
        mixed = ops.where(filled, partners, shares * pictures + (1 - shares) * partners)
        areas = ops.cast((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]), "float32") / (self._height * self._width)
        kept = blends * (1 - areas)
        return mixed, [_blend(other, ops.take(other, positions, axis=0), kept) for other in others]


def _blend(own: Any, partner: Any, shares: Any) -> Any:
    shares = ops.reshape(shares, (-1, *[1] * (len(own.shape) - 1)))
    return shares * own + (1 - shares) * partner
