"""Classify picture files with a bundle, in batches, so that memory does not grow with their number."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuner.bundles.bundle import Bundle, BundleDescription
from tuner.bundles.ensemble import Ensemble, members_of, soft_vote
from tuner.bundles.picture_files import ImagesUnreadableError, try_to_read
from tuner.bundles.picture_places import Picture, fetched
from tuner.datasets.images import ImageFormat
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.sample_sheet import write_image_sheet
from tuner.training.predictions import predict_probabilities

#: Pictures that are read and classified at a time, at most and at least, and the bytes of a member's that it is for.
_MOST_AT_ONCE, _FEWEST_AT_ONCE, _BYTES_AT_ONCE = 1024, 32, 2**26
#: Pictures on the sheet of `show`.
_MOST_SHOWN = 1200

#: What members that see the same of a picture have in common.
_View = tuple[ImageFormat, PixelMeaning | None]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The model's prediction for one file."""

    #: A URL is text.
    file: Path | str
    #: The most probable class.
    class_name: str
    #: Of that class, in [0, 1].
    probability: float
    #: Of every class by name, in the model's order.
    probabilities: Mapping[str, float]
    #: The name of the folder that the file is in.
    folder: str


@dataclass(kw_only=True)
class Unread:
    """Pictures of folders that could not be read: place → reason; filled while others are classified."""

    problems: dict[str, str] = field(default_factory=dict)


def predict_files(bundle: Bundle | Ensemble, paths: Sequence[Path], *, show: Path | None = None) -> list[Prediction]:
    """Classify pictures of any size; nothing is returned unless all of them can be read.

    Args:
        bundle: The model; of an ensemble each member sees the pictures in its own format.
        paths: The pictures.
        show: A PNG to write with the first 1,200 pictures as the model sees them, an ensemble's first member.

    Raises:
        ImagesUnreadableError: At least one file is missing or not a picture.
        BundleMismatchError: The bundle's model cannot be rebuilt with this code.
        SheetNotWrittenError: The PNG cannot be written.
    """
    return list(predict_pictures(bundle, [Picture(place=str(path), is_named=True) for path in paths], show=show))


def predict_pictures(
    bundle: Bundle | Ensemble,
    pictures: Sequence[Picture],
    *,
    show: Path | None = None,
    on_progress: Callable[[int], None] | None = None,
    unread: Unread | None = None,
) -> Iterator[Prediction]:
    """Yield the prediction of each picture in their order, some hundred at a time.

    Args:
        bundle: As in `predict_files`.
        pictures: As `find_pictures` found them.
        show: As in `predict_files`.
        on_progress: Called with the number of pictures read so far.
        unread: Learns which pictures of folders could not be read, which are left out.

    Raises:
        ImagesUnreadableError: A picture that a person named cannot be read, or none can. It is raised at the end, with
            all of them; what was yielded before is to be dropped.
        TunerError: As `predict_files`.
    """
    unread = unread or Unread()
    broken: dict[str, str] = {}
    readable: list[str] = []
    voters = _Voters(members_of(bundle))
    shown: list[NDArray[np.uint8]] = []
    rest = iter(pictures)
    n_read = 0
    while chunk := list(islice(rest, voters.n_at_once)):
        places, images, problems = _read(chunk, voters.views)
        named = {picture.place for picture in chunk if picture.is_named}
        broken |= {place: problem for place, problem in problems.items() if place in named}
        unread.problems |= {place: problem for place, problem in problems.items() if place not in named}
        readable += [picture.place for picture in places]
        if show is not None:
            shown += list(images[0][: _MOST_SHOWN - len(shown)])
        if places and not broken:
            yield from voters.vote(places, images)
        n_read += len(chunk)
        if on_progress:
            on_progress(n_read)
    if broken or (pictures and not readable):
        raise ImagesUnreadableError(broken or unread.problems, readable)
    if show is not None:
        write_image_sheet(np.stack(shown), show)


class _Voters:
    """The models of a bundle, built once."""

    def __init__(self, members: Sequence[Bundle]) -> None:
        described = [member.description for member in members]
        self._class_names = described[0].images.class_names
        #: One description of each view that a member has of a picture; the first is that of the first member.
        self.views: dict[_View, BundleDescription] = {}
        for description in described:
            self.views.setdefault(_view_of(description), description)
        self._order = list(self.views)
        self._of_member = [self._order.index(_view_of(description)) for description in described]
        self._members = members
        self._models = [member.build_model() for member in members]
        largest = max(prod(description.images.shape) for description in described)
        self.n_at_once = max(_FEWEST_AT_ONCE, min(_MOST_AT_ONCE, _BYTES_AT_ONCE // largest))

    def vote(self, pictures: Sequence[Picture], images: Sequence[NDArray[np.uint8]]) -> Iterator[Prediction]:
        """Yield a prediction for each picture; `images` has one array for each view, in their order."""
        votes = [
            predict_probabilities(model, images[view])
            for model, view in zip(self._models, self._of_member, strict=True)
        ]
        for picture, row in zip(pictures, soft_vote(votes), strict=True):
            yield _prediction(picture, self._class_names, row)


def _view_of(description: BundleDescription) -> _View:
    return description.images, description.pixels


def _read(
    pictures: Sequence[Picture], views: Mapping[_View, BundleDescription]
) -> tuple[list[Picture], list[NDArray[np.uint8]], dict[str, str]]:
    """Return the pictures that can be read, an array of them for each view, and what is wrong with the others."""
    readable: list[Picture] = []
    images: list[list[NDArray[np.uint8]]] = [[] for _ in views]
    problems: dict[str, str] = {}
    with fetched(pictures) as files:
        for picture, file in zip(pictures, files, strict=True):
            seen = [file if isinstance(file, str) else try_to_read(file, described) for described in views.values()]
            arrays = [one for one in seen if not isinstance(one, str)]
            if len(arrays) < len(seen):
                problems[picture.place] = next(one for one in seen if isinstance(one, str))
                continue
            readable.append(picture)
            for column, array in zip(images, arrays, strict=True):
                column.append(array)
    empty = [np.empty((0, *described.images.shape), np.uint8) for described in views.values()]
    return (
        readable,
        [np.stack(column) if column else none for column, none in zip(images, empty, strict=True)],
        problems,
    )


def _prediction(picture: Picture, class_names: tuple[str, ...], row: NDArray[np.float32]) -> Prediction:
    best = int(row.argmax())
    return Prediction(
        file=Path(picture.place) if picture.store is None else picture.place,
        class_name=class_names[best],
        probability=float(row[best]),
        probabilities=dict(zip(class_names, row.tolist(), strict=True)),
        folder=picture.folder,
    )
