"""Files that outlive a process (checkpoints, bundles, predictions), in a local folder or any fsspec store.

Paths are relative to the store and use `/`. A file is there whole or not at all.
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

#: Ending of files that are being written.
_PARTIAL = ".partial"
#: A file that is being written for longer has no writer any more.
_LONGEST_WRITING_S = 3600.0
#: Seconds that a store behind a network is waited for.
_PATIENCE_S = 300.0


class ArtifactNotFoundError(TunerError):
    """No artifact has that path."""


class ArtifactNotWrittenError(TunerError):
    """The disk is full, or the store refuses the file."""


class ArtifactNotRemovedError(TunerError):
    """The disk or the store lets nobody remove the file."""


class ArtifactStoreAwayError(RestartNeededError):
    """The store does not answer, or not as it should."""


class ArtifactStore:
    """Bytes by path below one folder or URL.

    A store behind a network that does not answer is asked again for five minutes.

    Args:
        url: An absolute or relative folder, or whatever fsspec knows, as in `s3://bucket/folder`.
        patience_s: How long a store behind a network is asked again.

    Raises:
        ArtifactStoreAwayError: By every method: it did not answer in all that time.
    """

    def __init__(self, url: str, *, patience_s: float = _PATIENCE_S) -> None:
        self.url = url
        self._patience_s = patience_s
        # Other workers write and delete there: a remembered listing would be wrong, and so would be the file system of
        # a store of the same URL that this process had opened with other credentials.
        self._fs, self._root = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        self._local = isinstance(self._fs, fsspec.implementations.local.LocalFileSystem)

    def write(self, path: str, content: bytes) -> None:
        """Write the file whole or not at all; an older one of that path is replaced.

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
                "Make room there, or choose another place with TUNER_ARTIFACTS."
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
        """Return the paths of all files below the folder, in order; none when it is not there."""
        root = f"{self._root}/{folder}"
        if not self._ask(self._fs.exists, root):
            return []
        paths = (found[len(self._root) :].lstrip("/") for found in self._ask(self._fs.find, root))
        return sorted(path for path in paths if not path.endswith(_PARTIAL))

    def list_abandoned(self) -> Sequence[str]:
        """Return the paths of files whose writers died over an hour ago in the middle of writing, in order."""
        if not self._local:
            # Other stores keep what was sent to them only when it is whole.
            return []
        abandoned = []
        for path in Path(self._root).rglob(f".*{_PARTIAL}"):
            # One that is whole by now has another name.
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _LONGEST_WRITING_S:
                    abandoned.append(str(path.relative_to(self._root)))
        return sorted(abandoned)

    def refuse_if_away(self, error: OSError) -> None:
        """Tell a file that could not be read from a store that is away, such as a network's folder.

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
            raise ArtifactStoreAwayError(f"{self.url} does not answer as it should: {error}") from error

    def exists(self, path: str) -> bool:
        """Say whether a file or folder has that path."""
        return bool(self._ask(self._fs.exists, f"{self._root}/{path}"))

    def delete(self, path: str) -> None:
        """Remove a file or a folder with all it holds; nothing happens when it is not there.

        Raises:
            ArtifactNotRemovedError: It may not be removed.
        """
        target = f"{self._root}/{path}"
        while self._ask(self._fs.exists, target):
            try:
                self._ask(self._fs.rm, target, recursive=True)
            except OSError as error:
                # Another process removes the same folder, or writes into it.
                if not isinstance(error, FileNotFoundError) and error.errno != errno.ENOTEMPTY:
                    raise ArtifactNotRemovedError(
                        f"Could not remove {self.location(path)}: {error.strerror or error}. "
                        "Make it writable for this user, then type the command again."
                    ) from error

    def location(self, path: str) -> str:
        """Return where people find the file: an absolute local path, or a URL."""
        return f"{self._root}/{path}" if self._local else str(self._fs.unstrip_protocol(f"{self._root}/{path}"))

    def _ask(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self._local:
            return call(*arguments, **options)
        # Each library raises errors of its own; only of these is it known that asking again is of no use.
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
            raise ArtifactStoreAwayError(f"{self.url} does not answer as it should: {error}") from error


def _write_durably(target: Path, content: bytes) -> None:
    try:
        _write_once(target, content)
    except FileNotFoundError:
        # The folder was removed meanwhile: a worker that lost its slot writes where its successor has tidied up.
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
            # Without this a power cut may forget the rename although the file's bytes are on disk.
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)
