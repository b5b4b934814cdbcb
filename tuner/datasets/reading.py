"""What all readers of files share: raw examples and one error."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.left_out import LeftOut
from tuner.datasets.stored_rows import windows
from tuner.errors import TunerError, shorten

#: How many problems an error lists; the rest is counted.
_MAX_LISTED = 5
#: Characters of one problem, which may quote a damaged file.
_MAX_PROBLEM_LENGTH = 300
#: Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_LFS_POINTER = b"version https://git-lfs"
#: What errors say of such a file.
LFS_POINTER = "a pointer of Git LFS, `git lfs pull` fetches the file itself"

#: Height and width in pixels.
Size = tuple[int, int]
#: How a picture of another shape gets a height and width: its sides are scaled apart, what is beyond the middle is cut
#: off, or what is missing is filled with the colour of its border.
ResizeHow = Literal["stretch", "crop", "pad"]


@dataclass(frozen=True, kw_only=True)
class DecodedPictures:
    """Where this machine keeps decoded pictures of folders, and who is told how far decoding is."""

    #: None: nothing is kept.
    folder: Path | None = None
    #: Called with the number of pictures that are decoded, and of all.
    on_progress: Callable[[int, int], None] = lambda _done, _all: None


#: Each process decodes what it reads.
NOT_KEPT = DecodedPictures()


@dataclass(frozen=True, kw_only=True)
class ReadingSettings:
    """What a person has set of how files are read, in `[data]` of a study definition."""

    #: Height and width that every image is scaled to; None keeps them.
    resize: Size | None = None
    resize_how: ResizeHow = "stretch"
    #: The column or array that says to which group each image belongs; None: each image stands for itself.
    group: str | None = None
    #: Of this machine.
    decoded: DecodedPictures = field(default=NOT_KEPT, compare=False)


#: Images keep their size, and have no groups.
AS_STORED = ReadingSettings()


class UnreadableDataError(TunerError):
    """Files are missing, damaged, too big, or do not hold what their names say."""

    def __init__(self, where: Path | str, *problems: str, remedy: str) -> None:
        #: One entry for each file or cell at fault, all of them.
        self.problems = tuple(shorten(problem, width=_MAX_PROBLEM_LENGTH) for problem in problems)
        more = f"; and {len(problems) - _MAX_LISTED} more" if len(problems) > _MAX_LISTED else ""
        text = f"{where}: {'; '.join(self.problems[:_MAX_LISTED])}{more}. {remedy}"
        super().__init__(" ".join(text.split()))


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredImages:
    """Images as they are in files; `tuner.datasets.pixels.meaning` alone makes the bytes of them that models get."""

    #: Booleans, integers or floats of any range, shape (n, height, width, channels); 1 channel is grey, 3 are RGB, and
    #: one more, of uint8, is opacity where `has_alpha`.
    values: NDArray[Any]
    has_alpha: bool = False
    #: uint8, shape (n,): 8, 16, or 32 for floats: the bits of each picture's file; None for arrays.
    bits: NDArray[np.uint8] | None = None
    #: Number of pictures with 16 bits a colour, of which only the upper 8 can be read.
    n_halved: int = 0
    #: Number of these that use at most a sixteenth of the upper 8 bits' range, and are not black.
    n_faint: int = 0
    #: Shape (n, 2): the lowest and the highest visible value of each image before it was scaled, which may overshoot;
    #: None for images that were not scaled and have no opacity.
    limits: NDArray[np.float64] | None = None
    #: Height and width in the files, before any scaling; None where the images differ.
    stored_size: Size | None = None
    #: Where people find each image: its file's name, or its line in a table; None where images have only numbers.
    places: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def place_of(self, index: int) -> str:
        """Return where people find an image: its file, its line or its number."""
        return f"image {index} (counted from 0)" if self.places is None else self.places[index]

    @property
    def colours(self) -> NDArray[Any]:
        """The values without opacity: shape (n, height, width, channels)."""
        return self.values[..., : self.channels]

    @cached_property
    def image_limits(self) -> NDArray[Any]:
        """Shape (n, 2): the lowest and the highest value of each image."""
        if self.limits is not None:
            return self.limits
        limits = np.empty((len(self), 2), self.values.dtype)
        for window in windows(self.values):
            flat = self.values[window].reshape(window.stop - window.start, -1)
            limits[window] = np.stack([flat.min(axis=1), flat.max(axis=1)], axis=1)
        return limits

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return int(self.values.shape[3]) - self.has_alpha


@dataclass(frozen=True, kw_only=True, eq=False)
class RawExamples:
    """Images with the labels in the files."""

    images: StoredImages
    #: int64 or text, shape (n,).
    labels: NDArray[Any]
    #: Text, shape (n,): the group of each image; None where `ReadingSettings.group` is.
    groups: NDArray[np.str_] | None = None
    #: How many of the last images are a validation set of the dataset's own.
    n_validation: int = 0
    #: What a person should know of how they were read: sentences.
    remarks: tuple[str, ...] = ()


def name_groups(groups: NDArray[Any], *, where: Path | str) -> NDArray[np.str_]:
    """Return the group of each image as text.

    Raises:
        UnreadableDataError: One is missing: NaN, or blank. All images without a group would be one.
    """
    is_missing = np.isnan(groups) if groups.dtype.kind == "f" else np.char.strip(groups.astype(np.str_)) == ""
    if is_missing.any():
        problem = f"the group of image {int(is_missing.argmax())} (counted from 0) is missing"
        raise UnreadableDataError(where, problem, remedy="Name a group, also for an image that is one alone.")
    return groups.astype(np.str_)


def join_groups(
    train: NDArray[np.str_] | None, validation: NDArray[np.str_] | None, *, n_validation: int
) -> NDArray[np.str_] | None:
    """Return the groups of both parts; validation images without groups, which are not divided, are one each."""
    if train is None:
        return None
    if validation is None:
        validation = np.array([f"validation image {number}" for number in range(n_validation)], np.str_)
    return np.concatenate([train, validation])


class Reader(Protocol):
    """Reads the parts of one dataset; only `tuner.datasets.test_set` may read the test part."""

    @property
    def has_test_set(self) -> bool:
        """Whether a labelled test part is there, judged by names, without reading an image of it."""

    @property
    def left_out(self) -> LeftOut:
        """Which files or arrays are not read, judged by names."""

    def read_train(self) -> RawExamples:
        """Read the training part, followed by a validation set of its own, and nothing of the test part.

        Raises:
            UnreadableDataError: A file is missing, damaged or too big.
        """

    def read_test(self) -> RawExamples:
        """Read the test part; undefined where `has_test_set` is False.

        Raises:
            UnreadableDataError: A file is missing, damaged or too big.
        """


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """One kind of files that people bring, and how it is recognised."""

    #: What the path is, as help lists it.
    name: str
    #: What lies at the path and in it, as errors say what was expected: one phrase for each form.
    descriptions: tuple[str, ...]
    #: Returns None when what lies at the path is not of this kind. Looks at names alone and opens no file.
    recognise: Callable[[Path, ReadingSettings], Reader | None]
    #: File name endings in lower case, of formats that are one file.
    suffixes: tuple[str, ...] = ()


@contextmanager
def listing() -> Iterator[None]:
    """Turn the error of listing a folder, or of looking at a path, into one line.

    Raises:
        UnreadableDataError: In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        problem = error.strerror or str(error)
        raise UnreadableDataError(str(error.filename), problem, remedy="Check the path and who may read it.") from error


def refuse_lfs_pointer(path: Path) -> None:
    """Refuse a file that only names another, which Git LFS has not fetched.

    Raises:
        UnreadableDataError: It is such a file.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        if is_lfs_pointer(file.read(len(_LFS_POINTER))):
            problem = f"is {LFS_POINTER}"
            raise UnreadableDataError(path, problem, remedy="Type it in the repository.")


def is_lfs_pointer(content: bytes) -> bool:
    """Say whether a file with this content, or beginning, only names another, which Git LFS has not fetched."""
    return content.startswith(_LFS_POINTER)


def is_pipe_or_device(path: Path) -> bool:
    """Say whether the path exists and is neither a file nor a folder: opening it could block.

    Raises:
        OSError: Permissions forbid to look at the path.
    """
    return path.exists() and not path.is_file() and not path.is_dir()
