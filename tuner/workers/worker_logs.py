"""The log files of a pool's workers, which are limited in size."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from tuner.errors import TunerError

#: A larger file is renamed; if it has grown even larger by then, only its last part is kept.
LARGEST_BYTES = 10 * 1024 * 1024
#: Number of older files that are kept: `worker-0.log.1` is the newest of them.
KEPT = 3
#: Bytes at the end of a file that are read to find its last line.
_END_BYTES = 64 * 1024


class LogsNotWrittenError(TunerError):
    """The folder of the logs is not writable."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"Cannot write logs to {path}: {error.strerror or error}. "
            "Make it writable for this user, or choose another folder with TUNER_HOME."
        )


def make_log_folder(folder: Path) -> None:
    """Create the folder if it does not exist.

    Raises:
        LogsNotWrittenError: It cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogsNotWrittenError(folder, error) from error


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _END_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1] if lines else ""


class WorkerLog:
    """One log file, open for a worker's output; close it at the end.

    Raises:
        LogsNotWrittenError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # In append mode, so that a process writes to the end of the file even after it was truncated.
            self.file = path.open("ab")
        except OSError as error:
            raise LogsNotWrittenError(path, error) from error
        self.keep_short()

    def keep_short(self) -> None:
        """If the file is large, copy its content to a file beside it and truncate it.

        Every writer keeps the same file: Python, a C library, a child process. A line written meanwhile may be lost.
        """
        size = os.fstat(self.file.fileno()).st_size
        if size <= LARGEST_BYTES:
            return
        # Another pool may do the same in this folder, and a full disk must not end the pool.
        with suppress(OSError):
            for number in range(KEPT, 1, -1):
                with suppress(FileNotFoundError):
                    self._older(number - 1).replace(self._older(number))
            with self.path.open("rb") as source, self._older(1).open("wb") as target:
                source.seek(max(0, size - LARGEST_BYTES))
                shutil.copyfileobj(source, target)
        os.ftruncate(self.file.fileno(), 0)

    def last_line(self) -> str:
        """Return the last line that was written, or an empty one; it may already be in the newest older file."""
        return _last_line(self.path) or _last_line(self._older(1))

    def close(self) -> None:
        """Close the file in this process; it stays open in the worker."""
        self.file.close()

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
