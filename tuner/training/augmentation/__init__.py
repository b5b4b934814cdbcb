"""How images are changed at random while training; a kind of change is one module and its class in `KINDS`.

The draws are made on the host, so that every backend shows the same pictures; they are applied where the images are, by
the same operations in a TensorFlow graph, under JAX and outside both.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.training.augmentation.cutout import Cutout
from tuner.training.augmentation.kind import Draws, ImageShape, Kind, Streams
from tuner.training.augmentation.mixing import Mixing
from tuner.training.augmentation.tones import Tones
from tuner.training.augmentation.warping import Warping
from tuner.training.batches import scale
from tuner.training_settings import Augmentation

#: Under the names of their draws, in the order in which they are applied.
KINDS: Mapping[str, type[Kind]] = {"warping": Warping, "tones": Tones, "cutout": Cutout, "mixing": Mixing}

#: What each kind that is on has drawn.
ImageDraws = Mapping[str, Draws]


class Augmenter:
    """Draws and applies the changes that the settings ask for; None asks for none.

    `white` is its value in the pictures that the model takes.
    """

    def __init__(self, augmentation: Augmentation | None, shape: ImageShape, *, white: float = 1.0) -> None:
        self._white = white
        set_up = (
            {} if augmentation is None else {name: kind.set_up(augmentation, shape) for name, kind in KINDS.items()}
        )
        self._kinds = {name: kind for name, kind in set_up.items() if kind is not None}

    def draw(self, streams: Streams, *, n: int, batch_size: int) -> ImageDraws:
        """Draw for `n` images in batches of `batch_size`, the last of which may be smaller."""
        return {name: kind.draw(streams, n, batch_size) for name, kind in self._kinds.items()}

    def __call__(self, images: Any, others: Sequence[Any], draws: ImageDraws) -> tuple[Any, ...]:
        """Scale, then apply what was drawn.

        Args:
            images: uint8, shape (batch, height, width, channels).
            others: Targets, and weights if there are any; first axis batch. Mixing needs one-hot targets.
            draws: Of these images.

        Returns:
            The pictures, float32, shape (batch, height, width, channels), in [0, white]; then the others, mixed
            likewise.
        """
        if not self._kinds:
            return scale(images, self._white), *others
        # Every kind knows images in [0, 1].
        pictures = scale(images)
        for name, kind in self._kinds.items():
            pictures, others = kind.apply(pictures, others, draws[name])
        return pictures if self._white == 1 else pictures * self._white, *others


def take_part(draws: ImageDraws, rows: slice) -> ImageDraws:
    """Return the draws of one batch."""
    return {kind: {name: array[rows] for name, array in of_kind.items()} for kind, of_kind in draws.items()}
