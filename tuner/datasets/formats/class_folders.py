"""A folder of pictures, in class folders or named by a table, perhaps with `train/`, `validation/` and `test/`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tuner.datasets.formats.folder_parts import Parts, count_left_out, find_parts, holds_pictures_of_classes
from tuner.datasets.formats.labels import shown_name
from tuner.datasets.formats.picture_lists import PictureList, find_parts_of_table, join_lists, list_pictures
from tuner.datasets.formats.picture_splits import PartName
from tuner.datasets.left_out import TABLE_NAMES, LeftOut
from tuner.datasets.pictures.cache import PictureLayout
from tuner.datasets.pictures.decoding import find_layout, read_pictures
from tuner.datasets.reading import FileFormat, RawExamples, Reader, ReadingSettings, UnreadableDataError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ImageFolderReader:
    """Pictures of `folder`, or of its `train`, `validation` and `test`."""

    folder: Path
    reading: ReadingSettings

    @property
    def has_test_set(self) -> bool:
        return self._parts.test is not None

    @property
    def left_out(self) -> LeftOut:
        return count_left_out(self.folder, self._parts)

    def read_train(self) -> RawExamples:
        """Read the training and validation pictures; of the test part only the names of its folders and files."""
        parts = self._parts
        train = self._list_train(parts)
        listed = train
        if parts.validation:
            validation = self._list_other(parts, "validation")
            self._check_classes(parts.validation, validation, known=train)
            listed = join_lists(train, validation)
        if parts.test:
            tested = self._list_other(parts, "test")
            self._check_classes(parts.test, tested, known=train)
        layout, images = read_pictures(self.folder, listed.paths, self.reading)
        return RawExamples(
            images=images,
            labels=listed.labels,
            groups=listed.groups,
            n_validation=len(listed.paths) - len(train.paths),
            remarks=(*listed.origin, *listed.remarks, *_describe_layout(layout)),
        )

    def read_test(self) -> RawExamples:
        """Read the test pictures in the training pictures' format."""
        parts = self._parts
        test = parts.test or self.folder
        train = self._list_train(parts)
        if parts.validation:
            train = join_lists(train, self._list_other(parts, "validation"))
        trained = find_layout(self.folder, train.paths, self.reading)
        listed = self._list_other(parts, "test")
        tested, images = read_pictures(test, listed.paths, self.reading, channels=trained.channels)
        if tested.n_in_colour and trained.channels == 1:
            text = "%s: %s of its %s pictures are stored in colour and read as grey, as those of the training part are"
            _log.warning(text, test, f"{tested.n_in_colour:,}", f"{tested.n_pictures:,}")
        if not tested.n_in_colour and trained.channels > 1:
            text = "%s: %s of its %s pictures are grey, those of the training part have colours"
            _log.warning(text, test, f"{tested.n_pictures:,}", f"{tested.n_pictures:,}")
        places = [str(path.relative_to(self.folder)) for path in listed.paths]
        return RawExamples(
            images=replace(images, places=places), labels=listed.labels, groups=listed.groups, remarks=listed.remarks
        )

    @property
    def _parts(self) -> Parts:
        return find_parts_of_table(self.folder) or find_parts(self.folder)

    def _list_train(self, parts: Parts) -> PictureList:
        others = [part for part in (parts.validation, parts.test) if part not in {None, parts.train}]
        split: PartName | None = "train" if parts.have_one_table else None
        return list_pictures(parts.train, group=self.reading.group, others=others, split=split)

    def _list_other(self, parts: Parts, split: Literal["validation", "test"]) -> PictureList:
        part = parts.validation if split == "validation" else parts.test
        if part is None:
            raise ValueError(f"Received a folder without a {split} part. Expected one.")
        known_split: PartName | None = split if parts.have_one_table else None
        return list_pictures(part, group=self.reading.group, needs_groups=False, split=known_split)

    def _check_classes(self, part: Path, listed: PictureList, *, known: PictureList) -> None:
        known_classes = set(known.labels.tolist())
        others = sorted(set(listed.labels.tolist()) - known_classes)
        if others:
            raise UnreadableDataError(
                part,
                *(f"the class {shown_name(name)} is none of the training part's" for name in others),
                remedy=f"Expected {', '.join(sorted(known_classes)[:20])}: name the classes of all parts alike.",
            )


def _describe_layout(layout: PictureLayout) -> Sequence[str]:
    """Return what a person should know of colours: sentences."""
    told = []
    n_grey = layout.n_pictures - layout.n_in_colour
    if n_grey and layout.n_in_colour:
        told.append(
            f"{n_grey:,} of {layout.n_pictures:,} pictures are stored in grey and {layout.n_in_colour:,} in colour: "
            "all are read alike."
        )
    if layout.n_other_profiles:
        told.append(
            f"{layout.n_other_profiles:,} of {layout.n_pictures:,} pictures have a colour profile other than sRGB, "
            "which is not applied: their colours are read as they are stored."
        )
    return told


def _recognise(path: Path, reading: ReadingSettings) -> Reader | None:
    """Return a reader of a folder with a table, or with pictures two levels down, or three below `train`."""
    if path.is_file():
        return ImageFolderReader(folder=path.parent, reading=reading) if path.name.lower() in TABLE_NAMES else None
    found = path.is_dir() and holds_pictures_of_classes(path)
    return ImageFolderReader(folder=path, reading=reading) if found else None


CLASS_FOLDERS = FileFormat(
    name="a folder of pictures",
    descriptions=(
        f"a folder of pictures with {', '.join(TABLE_NAMES[:-1])} or {TABLE_NAMES[-1]}",
        "a folder with one sub-folder of pictures for each class",
    ),
    recognise=_recognise,
)
