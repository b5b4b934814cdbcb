"""What one kind of augmentation is to the others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tuner.training_settings import Augmentation

#: Height, width and channels.
ImageShape = tuple[int, int, int]
#: What one kind has drawn, by name; first axis images. NumPy's arrays outside a program, the backend's inside.
Draws = Mapping[str, Any]
#: Gives the generator of a stream, see `Kind.STREAMS`, for the epoch.
Streams = Callable[[int], np.random.Generator]


class Kind(Protocol):
    """One kind of change, set up for images of one shape."""

    #: The random streams that it draws from. No other kind has them, so that one kind on or off leaves what the others
    #: draw alone. They never change: a resumed run draws its epochs anew.
    STREAMS: ClassVar[tuple[int, ...]]

    @classmethod
    def set_up(cls, augmentation: Augmentation, shape: ImageShape) -> Self | None:
        """Return the kind at work; None where the settings have it off."""

    def draw(self, streams: Streams, n: int, batch_size: int) -> dict[str, NDArray[Any]]:
        """Draw for `n` images in batches of `batch_size`, the last of which may be smaller."""

    def apply(self, pictures: Any, others: Sequence[Any], draws: Draws) -> tuple[Any, Sequence[Any]]:
        """Change a batch by what was drawn for it, with the operations of `keras.ops`.

        Args:
            pictures: float32, shape (batch, height, width, channels), in [0, 1].
            others: Targets, and weights if there are any; first axis batch.
            draws: Of these images.
        """
