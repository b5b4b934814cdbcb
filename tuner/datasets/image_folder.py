"""A folder of class folders of PNG and JPEG pictures, perhaps with `train/` and `test/` above them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuner.datasets.picture_stack import PictureStack
from tuner.datasets.pictures import PICTURE_SUFFIXES, picture_layout, read_picture
from tuner.datasets.reading import RawExamples, Reader, Size, UnreadableDataError


class MixedSizesError(UnreadableDataError):
    """The pictures of a folder differ in size, and nobody said which size to use."""

    def __init__(self, folder: Path, sizes: Sequence[Size]) -> None:
        received = ", ".join(f"{height}x{width}" for height, width in sizes[:3])
        super().__init__(
            folder,
            f"its pictures have {len(sizes)} different sizes ({received}, …), expected one",
            remedy="Set `data.resize = [28, 28]` (height, width) in the study definition, or try "
            f"`tuner dataset show {folder} --resize 28x28`.",
        )


@dataclass(frozen=True, kw_only=True)
class ImageFolderReader:
    """Class folders below `folder`, or below its `train` and `test`."""

    folder: Path
    #: Height and width that every picture is scaled to; None when all have one size.
    resize: Size | None

    @property
    def has_test_set(self) -> bool:
        return (self.folder / "train").is_dir() and (self.folder / "test").is_dir()

    def read_train(self) -> RawExamples:
        pictures = self._train_pictures()
        return self._decode(pictures, *_common_layout(self.folder, pictures, self.resize))

    def read_test(self) -> RawExamples:
        """Read the test pictures in the training pictures' format."""
        size, channels = _common_layout(self.folder, self._train_pictures(), self.resize)
        pictures = _find_pictures(self.folder / "test")
        if not self.resize:
            size, _ = _common_layout(self.folder / "test", pictures, None)
        return self._decode(pictures, size, channels)

    def _train_pictures(self) -> list[Path]:
        nested = self.folder / "train"
        return _find_pictures(nested if nested.is_dir() else self.folder)

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
        return RawExamples(images=stack.to_images(), labels=np.array([path.parent.name for path in pictures]))


def recognise(path: Path, resize: Size | None) -> Reader | None:
    """Return a reader when the path is a folder with pictures two levels down, or three below `train`."""
    folder = path / "train" if (path / "train").is_dir() else path
    found = folder.is_dir() and any(_is_picture(file) for file in folder.glob("*/*"))
    return ImageFolderReader(folder=path, resize=resize) if found else None


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def _find_pictures(folder: Path) -> list[Path]:
    """Return the pictures of all class folders, sorted, so that every machine numbers them alike."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    pictures = [path for class_folder in classes for path in sorted(class_folder.iterdir()) if _is_picture(path)]
    empty = sorted({path.name for path in classes} - {path.parent.name for path in pictures})
    if empty or not pictures:
        problem = f"no pictures for the class {', '.join(empty)}" if empty else "no class folders"
        raise UnreadableDataError(folder, problem, remedy="Put PNG or JPEG files in it, or remove the folder.")
    return pictures


def _common_layout(folder: Path, pictures: Sequence[Path], resize: Size | None) -> tuple[Size, int]:
    """Return the size that all pictures have or get, and their channels: grey only when all of them are."""
    sizes: set[Size] = set()
    channels = 1
    broken: list[str] = []
    for path in pictures:
        try:
            height, width, picture_channels = picture_layout(path)
        except UnreadableDataError as error:
            broken.append(f"{path.relative_to(folder)} {error.problems[0]}")
            continue
        sizes.add((height, width))
        channels = max(channels, picture_channels)
    if broken:
        raise _broken_pictures(folder, broken)
    if not resize and len(sizes) > 1:
        raise MixedSizesError(folder, sorted(sizes))
    return resize or sizes.pop(), channels


def _broken_pictures(folder: Path, broken: Sequence[str]) -> UnreadableDataError:
    return UnreadableDataError(folder, *broken, remedy="Remove these files, or save them anew as PNG or JPEG.")
