"""Files that outlive a process (checkpoints, bundles, predictions), in a local folder or any fsspec store.

Paths are relative to the store and use `/`. Files are written atomically: a file is complete or does not exist.
"""

import errno
import os
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
from fsspec.core import url_to_fs
from tenacity import Retrying, retry_if_not_exception_type, stop_after_delay, wait_random_exponential

from tuner.errors import RestartNeededError, TunerError
from tuner.extras import ExtraMissingError

#: Folder of the ensembles over several studies; every other file is in its study's.
ENSEMBLES_FOLDER = "ensembles"
#: Suffix of files that are being written.
_PARTIAL = ".partial"
#: After this time, an unfinished file is abandoned: its writer has died.
_LONGEST_WRITING_S = 3600.0
#: Seconds for which calls to a remote store are repeated.
_PATIENCE_S = 300.0


class UnknownArtifactStoreError(TunerError):
    """A URL is of a kind that fsspec does not know, or that needs a package which is not installed."""

    def __init__(self, url: str, error: Exception) -> None:
        #: What fsspec says.
        self.reason = " ".join(str(error).split()).rstrip(".")
        super().__init__(
            f"Cannot open the artifact store {url}: {self.reason}. Expected a folder, or a URL such as s3://bucket/folder."
        )


class ArtifactNotFoundError(TunerError):
    """No artifact has that path."""


class ArtifactNotWrittenError(TunerError):
    """The disk is full, or the store refuses the file."""

    @property
    def reason(self) -> str:
        """Return what the system says, without the file's name."""
        cause = self.__cause__
        return cause.strerror or str(cause) if isinstance(cause, OSError) else str(self)


class ArtifactNotRemovedError(TunerError):
    """The disk or the store does not allow the file to be removed."""


class ArtifactStoreAwayError(RestartNeededError):
    """The store does not answer, or answers with unexpected errors."""


class ArtifactStore:
    """Bytes by path below one folder or URL.

    If a remote store does not answer, the call is repeated for five minutes.

    Args:
        url: An absolute or relative folder, or any URL that fsspec knows, such as `s3://bucket/folder`.
        patience_s: Seconds for which a call to a remote store is repeated.

    Raises:
        ExtraMissingError: The URL is of S3, and s3fs is not installed.
        UnknownArtifactStoreError: The URL is of another kind that cannot be opened here.
        ArtifactStoreAwayError: By every method: the store did not answer in that time.
    """

    def __init__(self, url: str, *, patience_s: float = _PATIENCE_S) -> None:
        self.url = url
        self._patience_s = patience_s
        # No caches: other workers write and delete here, and fsspec would reuse an instance with old credentials.
        try:
            self._fs, self._root = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            if not url.startswith("s3://"):
                raise UnknownArtifactStoreError(url, error) from error
            raise ExtraMissingError("s3fs", needed_for=f"The artifact store {url}") from error
        except (OSError, TypeError, ValueError) as error:
            # A TypeError is of a URL without what its kind needs, such as a host.
            raise UnknownArtifactStoreError(url, error) from error
        self._local = isinstance(self._fs, fsspec.implementations.local.LocalFileSystem)

    def write(self, path: str, content: bytes) -> None:
        """Write the file atomically; an older file at that path is replaced.

        Raises:
            ArtifactNotWrittenError: The disk is full or the store refuses the file.
        """
        target = f"{self._root}/{path}"
        try:
            if self._local:
                _write_durably(Path(target), content)
            else:
                self._ask(self._fs.pipe_file, target, content)
        except OSError as error:
            raise ArtifactNotWrittenError(
                f"Could not write {self.location(path)}: {error.strerror or error}. "
                "Free some space there, or choose another folder with TUNER_ARTIFACTS."
            ) from error

    def read(self, path: str) -> bytes:
        """Return the file's bytes.

        Raises:
            ArtifactNotFoundError: No file has that path.
        """
        try:
            content = self._ask(self._fs.cat_file, f"{self._root}/{path}")
        except FileNotFoundError as error:
            raise ArtifactNotFoundError(f"No artifact at {self.location(path)}.") from error
        return bytes(content)

    def list(self, folder: str) -> list[str]:
        """Return the sorted paths of all files below the folder; none if the folder does not exist."""
        root = f"{self._root}/{folder}"
        if not self._ask(self._fs.exists, root):
            return []
        paths = (found[len(self._root) :].lstrip("/") for found in self._ask(self._fs.find, root))
        return sorted(path for path in paths if not path.endswith(_PARTIAL))

    def list_abandoned(self) -> Sequence[str]:
        """Return the sorted paths of unfinished files that nothing has written to for an hour."""
        if not self._local:
            # Other stores keep a file only when it is complete.
            return []
        abandoned = []
        for path in Path(self._root).rglob(f".*{_PARTIAL}"):
            # A file that was completed meanwhile has another name.
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _LONGEST_WRITING_S:
                    abandoned.append(str(path.relative_to(self._root)))
        return sorted(abandoned)

    def refuse_if_away(self, error: OSError) -> None:
        """Raise an error if the whole store is away, such as a network folder, and not only one file.

        Args:
            error: The error of the file that could not be read.

        Raises:
            ArtifactStoreAwayError: The folder of the whole store cannot be read either.
        """
        if not self._local:
            return
        try:
            next(Path(self._root).iterdir(), None)
        except FileNotFoundError:
            return
        except OSError:
            raise ArtifactStoreAwayError(f"{self.url} does not answer as expected: {error}") from error

    def exists(self, path: str) -> bool:
        """Return whether a file or folder has that path."""
        return bool(self._ask(self._fs.exists, f"{self._root}/{path}"))

    def delete(self, path: str) -> None:
        """Remove a file, or a folder with its content; do nothing if it does not exist.

        Raises:
            ArtifactNotRemovedError: This user may not remove it.
        """
        target = f"{self._root}/{path}"
        while self._ask(self._fs.exists, target):
            try:
                self._ask(self._fs.rm, target, recursive=True)
            except OSError as error:
                # Another process may remove the same folder, or write into it; then try again.
                if not isinstance(error, FileNotFoundError) and error.errno != errno.ENOTEMPTY:
                    raise ArtifactNotRemovedError(
                        f"Could not remove {self.location(path)}: {error.strerror or error}. "
                        "Make it writable for this user, then repeat the command."
                    ) from error

    def location(self, path: str) -> str:
        """Return the file's location for people: an absolute local path, or a URL."""
        return f"{self._root}/{path}" if self._local else str(self._fs.unstrip_protocol(f"{self._root}/{path}"))

    def told_location(self, path: str) -> str:
        """Return the file's location, followed by "(missing)" where the file is gone.

        A remote store is not asked: looking at a study does not wait for a store that is away.
        """
        is_gone = self._local and not Path(self.location(path)).exists()
        return f"{self.location(path)} (missing)" if is_gone else self.location(path)

    def _ask(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self._local:
            return call(*arguments, **options)
        # Each library raises its own errors; only for these is it certain that repeating the call cannot help.
        refusals = (FileNotFoundError, PermissionError)
        attempts = Retrying(
            retry=retry_if_not_exception_type(refusals),
            stop=stop_after_delay(self._patience_s),
            wait=wait_random_exponential(max=10),
            reraise=True,
        )
        try:
            return attempts(call, *arguments, **options)
        except refusals:
            raise
        except Exception as error:
            raise ArtifactStoreAwayError(f"{self.url} does not answer as expected: {error}") from error


def _write_durably(target: Path, content: bytes) -> None:
    try:
        _write_once(target, content)
    except FileNotFoundError:
        # The folder was removed meanwhile: the worker that took over this slot has finished it and removed its files.
        _write_once(target, content)


def _write_once(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}{_PARTIAL}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            # Without this, a power cut could undo the rename although the file's bytes are on disk.
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)
