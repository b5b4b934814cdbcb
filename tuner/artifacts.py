"""Files that outlive a process (checkpoints, bundles, predictions), in a local folder or any fsspec store.

Paths are relative to the store and use `/`. A file is there whole or not at all.
"""

import errno
import os
import uuid
from pathlib import Path

import fsspec
from fsspec.core import url_to_fs

from tuner.errors import TunerError

#: Ending of files that are being written.
_PARTIAL = ".partial"


class ArtifactNotFoundError(TunerError):
    """No artifact has that path."""


class ArtifactNotWrittenError(TunerError):
    """The disk is full, or the store refuses the file."""


class ArtifactStore:
    """Bytes by path below one folder or URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        # Other workers write and delete there: a remembered listing would be wrong.
        self._fs, self._root = url_to_fs(url, use_listings_cache=False)
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
                self._fs.pipe_file(target, content)
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
            content = self._fs.cat_file(f"{self._root}/{path}")
        except FileNotFoundError as error:
            raise ArtifactNotFoundError(f"No artifact at {self.location(path)}.") from error
        return bytes(content)

    def list(self, folder: str) -> list[str]:
        """Return the paths of all files below the folder, in order; none when it is not there."""
        root = f"{self._root}/{folder}"
        if not self._fs.exists(root):
            return []
        paths = (found[len(self._root) :].lstrip("/") for found in self._fs.find(root))
        return sorted(path for path in paths if not path.endswith(_PARTIAL))

    def exists(self, path: str) -> bool:
        """Say whether a file or folder has that path."""
        return bool(self._fs.exists(f"{self._root}/{path}"))

    def delete(self, path: str) -> None:
        """Remove a file or a folder with all it holds; nothing happens when it is not there."""
        target = f"{self._root}/{path}"
        while self._fs.exists(target):
            try:
                self._fs.rm(target, recursive=True)
            except OSError as error:
                # Another process removes the same folder, or writes into it.
                if error.errno not in {errno.ENOENT, errno.ENOTEMPTY}:
                    raise

    def location(self, path: str) -> str:
        """Return where people find the file: an absolute local path, or a URL."""
        return f"{self._root}/{path}" if self._local else str(self._fs.unstrip_protocol(f"{self._root}/{path}"))


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
