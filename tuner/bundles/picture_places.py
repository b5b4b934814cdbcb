"""Pictures that a person names: files, folders with all that lies below them, and URLs of either."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tuner.artifacts import ArtifactNotFoundError, ArtifactStore, ArtifactStoreAwayError, UnknownArtifactStoreError
from tuner.bundles.outputs import is_url
from tuner.datasets.formats.folder_parts import class_of, is_picture
from tuner.datasets.left_out import LeftOut, count_by_suffix, is_hidden
from tuner.datasets.pictures.file import PICTURE_KINDS, PICTURE_SUFFIXES
from tuner.errors import TunerError

#: Seconds during which a remote store is retried, while a person waits.
_PATIENCE_S = 20.0
#: Files that are fetched from a remote store at once.
_N_FETCHED_AT_ONCE = 16


class NoPicturesError(TunerError):
    """A folder holds no picture, or cannot be listed."""

    def __init__(self, place: Path | str, reason: str) -> None:
        super().__init__(f"{place}: {reason.rstrip('.')}. Expected {PICTURE_KINDS} files, or a folder.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One file that may be a picture."""

    #: As people find it: a path, or a URL.
    place: str
    #: Whether a person named this file; otherwise it was found in a folder.
    is_named: bool
    #: The remote store that has it; None for local files.
    store: ArtifactStore | None = None

    @property
    def folder(self) -> str:
        """The name of the folder it lies in, in Unicode's form NFC."""
        return class_of(Path(self.place))


@dataclass(frozen=True, kw_only=True)
class FoundPictures:
    """The pictures at some places, in their order; those of a folder are sorted by their path in it."""

    pictures: Sequence[Picture]
    #: What lies in the folders beside them.
    left_out: LeftOut


def find_pictures(places: Sequence[Path | str]) -> FoundPictures:
    """Return the pictures at these places, without opening them.

    Args:
        places: Files, folders, or URLs such as `s3://bucket/folder`. A URL is a file if it ends as a picture does.

    Raises:
        NoPicturesError: A folder holds no picture, or it or a URL cannot be listed.
    """
    pictures: list[Picture] = []
    counts: Counter[str] = Counter()
    for place in map(str, places):
        if is_url(place):
            found, others = _look_at_url(place)
        elif os.path.isdir(place):  # noqa: PTH112 - False for names that no file can have, where pathlib raises
            found, others = _look_into_folder(place)
        else:
            found, others = [Picture(place=place, is_named=True)], Counter()
        if not found:
            left_out = LeftOut(counts=dict(others.most_common())).describe()
            raise NoPicturesError(place, f"no pictures. {left_out}" if left_out else "no pictures")
        pictures += found
        counts += others
    return FoundPictures(pictures=pictures, left_out=LeftOut(counts=dict(counts.most_common())))


@contextmanager
def fetched(pictures: Sequence[Picture]) -> Iterator[list[Path | str]]:
    """Yield for each picture a local file that holds it in the block, or why it cannot be fetched, in words."""
    with tempfile.TemporaryDirectory(prefix="tuner-") as folder, ThreadPoolExecutor(_N_FETCHED_AT_ONCE) as threads:

        def fetch(numbered: tuple[int, Picture]) -> Path | str:
            number, picture = numbered
            if picture.store is None:
                return Path(picture.place)
            parent, _, name = picture.place.rpartition("/")
            below = parent.removeprefix(picture.store.url.rstrip("/")).lstrip("/")
            copy = Path(folder) / str(number) / name
            copy.parent.mkdir()
            try:
                copy.write_bytes(picture.store.read(f"{below}/{name}" if below else name))
            except ArtifactNotFoundError:
                return "No such file"
            except PermissionError as error:
                return error.strerror or "may not be read"
            return copy

        if all(picture.store is None for picture in pictures):
            yield [Path(picture.place) for picture in pictures]
        else:
            yield list(threads.map(fetch, enumerate(pictures)))


def _look_into_folder(folder: str) -> tuple[list[Picture], Counter[str]]:
    """Return the pictures below a folder, and how many files of each other kind are there."""
    counts: Counter[str] = Counter()
    files: list[Path] = []

    def note(error: OSError) -> None:
        if error.filename == folder:
            raise NoPicturesError(folder, error.strerror or str(error))
        counts["folders that may not be read"] += 1

    for parent, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not is_hidden(Path(name))]
        # `os.walk` does not follow them, as they may lead in a circle.
        counts["links to folders"] += sum(Path(parent, name).is_symlink() for name in folders)
        files += [Path(parent, name) for name in names if not is_hidden(Path(name))]
    pictures = sorted((path for path in files if is_picture(path)), key=lambda path: path.parts)
    counts += count_by_suffix(path for path in files if not is_picture(path))
    return [Picture(place=str(path), is_named=False) for path in pictures], +counts


def _look_at_url(url: str) -> tuple[list[Picture], Counter[str]]:
    url = url.rstrip("/")
    is_file = PurePosixPath(url).suffix.lower() in PICTURE_SUFFIXES
    folder = url.rpartition("/")[0] if is_file else url
    try:
        store = ArtifactStore(folder, patience_s=_PATIENCE_S)
        if is_file:
            return [Picture(place=url, is_named=True, store=store)], Counter()
        paths = [Path(path) for path in store.list("")]
    except ArtifactStoreAwayError as error:
        raise NoPicturesError(url, str(error)) from error
    except UnknownArtifactStoreError as error:
        raise NoPicturesError(url, error.reason) from error
    except (OSError, ValueError, ImportError) as error:
        raise NoPicturesError(url, str(error) or type(error).__name__) from error
    seen = [path for path in paths if not any(is_hidden(Path(part)) for part in path.parts)]
    counts = count_by_suffix(path for path in seen if not is_picture(path))
    found = [
        Picture(place=f"{url}/{path.as_posix()}", is_named=False, store=store) for path in seen if is_picture(path)
    ]
    return found, counts
