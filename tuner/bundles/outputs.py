"""Where a result is written for people: a local file or folder, or a URL, complete or not at all."""

import errno
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStore, UnknownArtifactStoreError
from tuner.datasets.reading import is_pipe_or_device
from tuner.errors import TunerError

#: Seconds during which a remote store is retried, while a person waits.
_PATIENCE_S = 20.0
#: What goes wrong with a full or broken disk.
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


class OutputNotWrittenError(TunerError):
    """A result cannot be written where it was asked for."""

    def __init__(self, place: Path | str, reason: str, *, option: str) -> None:
        super().__init__(
            f"Could not write {place}: {reason.rstrip('.')}. Name another place with {option}, in a folder that exists "
            "and has space."
        )


def is_url(place: Path | str) -> bool:
    """Say whether a place is a URL such as `s3://bucket/file`."""
    return "://" in str(place)


@contextmanager
def open_output(place: Path | str, *, option: str) -> Iterator[Path]:
    """Yield a local path to write a file or a folder to; it gets its own name when the block ends without an error.

    An existing file is replaced, an existing folder is not.

    Args:
        place: A local path, or a URL such as `s3://bucket/folder/file`.
        option: The option of the command line by which it was named, for errors.

    Raises:
        OutputNotWrittenError: The folder does not exist, the disk is full, a folder of that name exists, or the store
            refuses the file.
    """
    if is_url(place):
        with tempfile.TemporaryDirectory(prefix="tuner-") as scratch:
            written = Path(scratch) / str(place).rstrip("/").rpartition("/")[2]
            yield written
            _upload(written, str(place).rstrip("/"), option)
        return
    target = Path(place).absolute()
    with _translated(target, option):
        if is_pipe_or_device(target):
            raise OutputNotWrittenError(target, "it is a pipe or a device", option=option)
        _refuse_folder(target, option)
    # In a folder of its own, because some formats are chosen by a file's suffix.
    folder = target.parent / f".{target.name[:40]}.{uuid.uuid4().hex}.partial"
    with _translated(target, option):
        folder.mkdir(parents=True)
    try:
        with _translated(target, option, only=_OF_THE_DISK):
            yield folder / target.name
        # Again, because one may have been made meanwhile.
        _refuse_folder(target, option)
        with _translated(target, option):
            (folder / target.name).replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _translated(target: Path, option: str, *, only: frozenset[int] | None = None) -> Iterator[None]:
    """Translate an error of the system, or one with one of these numbers."""
    try:
        yield
    except OSError as error:
        if only is not None and error.errno not in only:
            raise
        raise OutputNotWrittenError(target, error.strerror or str(error), option=option) from error


def _refuse_folder(target: Path, option: str) -> None:
    if target.is_dir():
        raise OutputNotWrittenError(target, "a folder of that name exists", option=option)


def _upload(written: Path, url: str, option: str) -> None:
    """Copy a file, or all files of a folder, to a URL."""
    parent, _, name = url.rpartition("/")
    files = sorted(path for path in written.rglob("*") if path.is_file()) if written.is_dir() else [written]
    try:
        store = ArtifactStore(parent, patience_s=_PATIENCE_S)
        for path in files:
            below = "" if path == written else f"/{path.relative_to(written).as_posix()}"
            store.write(f"{name}{below}", path.read_bytes())
    except (ArtifactNotWrittenError, UnknownArtifactStoreError) as error:
        raise OutputNotWrittenError(url, error.reason, option=option) from error
    except (OSError, ValueError, ImportError) as error:
        # Refused by the store.
        raise OutputNotWrittenError(url, str(error) or type(error).__name__, option=option) from error
