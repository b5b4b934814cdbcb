"""How the images of one part reach the device: all of them once, or chunk by chunk.

| feed | the device holds | an epoch is |
|---|---|---|
| `ResidentFeed` | all images | one call of the program |
| `StreamedFeed` | the chunk of steps that is trained, and the next one | a call for each chunk |

The order of an epoch is drawn over all images either way. The images of a chunk are read in the order of their file,
which disks and the system's read-ahead like, and the chunk's draws say where each of them lies: the program's own
gathering puts them in the epoch's order. So a step sees the same batch, and computes the same, in both feeds.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages
from tuner.datasets.stored_rows import read_rows
from tuner.training.epoch_draws import EpochDraws
from tuner.training.plan import Labels
from tuner.training.targets import encode_targets

#: Of the images of a chunk. Three chunks may be held at a time: one is trained on, one waits, one is read.
CHUNK_BYTES = 2**26

#: Images uint8, shape (n, height, width, channels), then targets and, if there are any, weights; first axis n. NumPy's
#: arrays on the host, the backend's on the device.
Arrays = tuple[Any, ...]
#: Puts arrays on the device.
ToDevice = Callable[[tuple[NDArray[Any], ...]], Arrays]

_Part = TypeVar("_Part")
_Read = TypeVar("_Read")


@dataclass(frozen=True, kw_only=True, eq=False)
class PartImages:
    """Training or validation images, and how their labels become what a model is given."""

    images: LabelledImages
    labels: Labels
    #: As in `Model.fit`; None or empty: no weights.
    class_weight: Mapping[int, float] | None = field(default=None)

    def __len__(self) -> int:
        return len(self.images)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Return images, targets and, where there are class weights, each image's weight."""
        return np.asarray(self.images.images), *self._others(self.images.labels)

    def read(self, rows: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
        """Return the arrays of some images, copied into memory; sorted rows are read fastest."""
        return read_rows(self.images.images, rows), *self._others(self.images.labels[rows])

    def _others(self, labels: NDArray[np.int64]) -> list[NDArray[Any]]:
        n_classes = len(self.images.class_names)
        targets = encode_targets(labels, n_classes, self.labels)
        return [targets, *weigh_labels(labels, n_classes, self.class_weight)]


def weigh_labels(
    labels: NDArray[np.int64], n_classes: int, class_weight: Mapping[int, float] | None
) -> list[NDArray[np.float32]]:
    """Return each label's weight, float32, shape (n,), where there are class weights; 1 for classes without one."""
    if not class_weight:
        return []
    return [np.array([class_weight.get(index, 1.0) for index in range(n_classes)], np.float32)[labels]]


class Feed(Protocol):
    """The images of one part for a loop over batches."""

    def shuffled(self, draws: EpochDraws) -> Iterator[tuple[EpochDraws, Arrays]]:
        """Yield the chunks of an epoch: draws whose order points into the chunk's arrays, and these on the device."""

    def in_order(self) -> Iterator[Arrays]:
        """Yield all images in their order; each chunk but the last is of full batches."""


def open_feed(part: PartImages, to_device: ToDevice, *, batch_size: int, streamed: bool) -> Feed:
    """Return the feed of a part; a resident one puts its images on the device at once.

    Args:
        part: Its images.
        to_device: Puts arrays on the device; a streamed feed calls it from another thread.
        batch_size: Images of a step.
        streamed: Whether they go to the device chunk by chunk.
    """
    return StreamedFeed(part, to_device, batch_size=batch_size) if streamed else ResidentFeed(part, to_device)


class ResidentFeed:
    """A `Feed` of images that stay on the device."""

    def __init__(self, part: PartImages, to_device: ToDevice) -> None:
        self._arrays = to_device(part.arrays())

    def shuffled(self, draws: EpochDraws) -> Iterator[tuple[EpochDraws, Arrays]]:
        yield draws, self._arrays

    def in_order(self) -> Iterator[Arrays]:
        yield self._arrays


class StreamedFeed:
    """A `Feed` that reads the next chunk while one is trained on."""

    def __init__(self, part: PartImages, to_device: ToDevice, *, batch_size: int) -> None:
        self._part, self._to_device, self._batch_size = part, to_device, batch_size
        image_bytes = math.prod(part.images.image_format.shape)
        n_steps = math.ceil(len(part) / batch_size)
        #: Steps of a chunk; all of them where they fit into one.
        self._n_steps = min(n_steps, max(1, CHUNK_BYTES // (batch_size * image_bytes)))

    def shuffled(self, draws: EpochDraws) -> Iterator[tuple[EpochDraws, Arrays]]:
        steps = range(0, math.ceil(len(draws.order) / self._batch_size), self._n_steps)
        parts = (draws.take_steps(first, first + self._n_steps, self._batch_size) for first in steps)
        return read_ahead(parts, self._read_chunk)

    def in_order(self) -> Iterator[Arrays]:
        n_rows = self._n_steps * self._batch_size
        chunks = (np.arange(first, min(first + n_rows, len(self._part))) for first in range(0, len(self._part), n_rows))
        return read_ahead(chunks, lambda rows: self._to_device(self._part.read(rows)))

    def _read_chunk(self, draws: EpochDraws) -> tuple[EpochDraws, Arrays]:
        rows, places = np.unique(draws.order, return_inverse=True)
        # All chunks have one shape, for which a program is compiled once; nothing points to what is added.
        n_missing = self._n_steps * self._batch_size - len(rows)
        arrays = self._part.read(np.pad(rows, (0, n_missing), mode="edge"))
        return draws._replace(order=places.astype(np.int32)), self._to_device(arrays)


def read_ahead(parts: Iterable[_Part], read: Callable[[_Part], _Read]) -> Iterator[_Read]:
    """Yield what is read of each part, while a thread reads the next one."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="next-chunk") as reader:
        ahead: Future[_Read] | None = None
        for part in parts:
            following = reader.submit(read, part)
            if ahead is not None:
                yield ahead.result()
            ahead = following
        if ahead is not None:
            yield ahead.result()
