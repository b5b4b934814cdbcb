"""A folder of class folders of pictures, perhaps with `train/` and `test/` above them."""

import errno
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tuner.datasets.folder_parts import (
    Parts,
    class_of,
    count_left_out,
    find_parts,
    find_pictures,
    holds_pictures_of_classes,
)
from tuner.datasets.labels import shown_name
from tuner.datasets.left_out import LeftOut
from tuner.datasets.picture_file import picture_layout, read_picture
from tuner.datasets.picture_stack import PictureStack
from tuner.datasets.reading import FileFormat, RawExamples, Reader, Size, UnreadableDataError

_log = logging.getLogger(__name__)


class MixedSizesError(UnreadableDataError):
    """The pictures of a folder differ in size, and no size is set."""

    def __init__(self, folder: Path, sizes: Sequence[Size]) -> None:
        received = ", ".join(f"{height}x{width}" for height, width in sizes[:3])
        super().__init__(
            folder,
            f"its pictures have {len(sizes)} different sizes ({received}, …), expected one",
            remedy="Set `data.resize = [28, 28]` (height, width) in the study definition, or try "
            f"`tuner dataset show {folder} --resize 28x28`.",
        )


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """What the pictures of one part have in common."""

    #: Height and width that all of them have or get.
    size: Size
    #: How many have colours; the others are grey.
    n_in_colour: int

    @property
    def channels(self) -> int:
        """1 where all are grey, 3 otherwise."""
        return 3 if self.n_in_colour else 1


@dataclass(frozen=True, kw_only=True)
class ImageFolderReader:
    """Class folders below `folder`, or below its `train` and `test`."""

    folder: Path
    #: Height and width that every picture is scaled to; None when all have one size.
    resize: Size | None

    @property
    def has_test_set(self) -> bool:
        return self._parts.test is not None

    @property
    def left_out(self) -> LeftOut:
        return count_left_out(self.folder, self._parts)

    def read_train(self) -> RawExamples:
        """Read the training pictures, and of the test part only the names of its folders and files."""
        pictures = find_pictures(self._parts.train)
        if self._parts.test:
            self._check_classes(find_pictures(self._parts.test), known=pictures)
        layout = _read_layout(self.folder, pictures, self.resize)
        return self._decode(pictures, layout.size, layout.channels)

    def read_test(self) -> RawExamples:
        """Read the test pictures in the training pictures' format."""
        test = self._parts.test or self.folder / "test"
        trained = _read_layout(self.folder, find_pictures(self._parts.train), self.resize)
        pictures = find_pictures(test)
        tested = _read_layout(test, pictures, self.resize)
        if tested.n_in_colour and trained.channels == 1:
            text = "%s: %s of its %s pictures are stored in colour and read as grey, as those of the training part are"
            _log.warning(text, test, f"{tested.n_in_colour:,}", f"{len(pictures):,}")
        if not tested.n_in_colour and trained.channels > 1:
            text = "%s: %s of its %s pictures are grey, those of the training part have colours"
            _log.warning(text, test, f"{len(pictures):,}", f"{len(pictures):,}")
        return self._decode(pictures, tested.size, trained.channels)

    @property
    def _parts(self) -> Parts:
        return find_parts(self.folder)

    def _check_classes(self, test: Sequence[Path], *, known: Sequence[Path]) -> None:
        known_classes = {class_of(path) for path in known}
        others = sorted({class_of(path) for path in test} - known_classes)
        if others:
            raise UnreadableDataError(
                self.folder / "test",
                *(f"the class {shown_name(name)} is none of the training part's" for name in others),
                remedy=f"Expected {', '.join(sorted(known_classes)[:20])}: name the folders of both parts alike.",
            )

    def _decode(self, pictures: Sequence[Path], size: Size, channels: int) -> RawExamples:
        stack = PictureStack(len(pictures), size=size, channels=channels, where=self.folder)
        broken: list[str] = []
        for index, path in enumerate(pictures):
            try:
                stack.put(index, read_picture(path, channels=channels))
            except UnreadableDataError as error:
                broken.append(f"{path.relative_to(self.folder)} {error.problems[0]}")
        if broken:
            raise _broken_pictures(self.folder, broken)
        images = replace(stack.to_images(), places=[str(path.relative_to(self.folder)) for path in pictures])
        return RawExamples(images=images, labels=np.array([class_of(path) for path in pictures]))


def _recognise(path: Path, resize: Size | None) -> Reader | None:
    """Return a reader when the path is a folder with pictures two levels down, or three below `train`."""
    found = path.is_dir() and holds_pictures_of_classes(path)
    return ImageFolderReader(folder=path, resize=resize) if found else None


CLASS_FOLDERS = FileFormat(
    name="a folder of class folders",
    descriptions=("a folder with one sub-folder of PNG or JPEG files for each class",),
    recognise=_recognise,
)


def _read_layout(folder: Path, pictures: Sequence[Path], resize: Size | None) -> _Layout:
    """Read the headers of pictures.

    Raises:
        UnreadableDataError: One is no picture, or they differ in size and no size is given.
    """
    sizes: set[Size] = set()
    n_in_colour = 0
    broken: list[str] = []
    for path in pictures:
        try:
            height, width, picture_channels = picture_layout(path)
        except UnreadableDataError as error:
            broken.append(f"{path.relative_to(folder)} {error.problems[0]}")
            continue
        sizes.add((height, width))
        n_in_colour += picture_channels > 1
    if broken:
        raise _broken_pictures(folder, broken)
    if not resize and len(sizes) > 1:
        raise MixedSizesError(folder, sorted(sizes))
    return _Layout(size=resize or sizes.pop(), n_in_colour=n_in_colour)


def _broken_pictures(folder: Path, broken: Sequence[str]) -> UnreadableDataError:
    is_refused = all(problem.endswith(os.strerror(errno.EACCES)) for problem in broken)
    remedy = "Check who may read them." if is_refused else "Remove these files, or save them anew as PNG or JPEG."
    return UnreadableDataError(folder, *broken, remedy=remedy)
