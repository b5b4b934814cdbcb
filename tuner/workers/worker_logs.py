"""The log files of a pool's workers, which stay small however much is written."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from tuner.errors import TunerError

#: A larger file is moved aside; of one that grows by more between two checks only the last part is kept.
LARGEST_BYTES = 10 * 1024 * 1024
#: Older files kept: `worker-0.log.1` is the newest of them.
KEPT = 3
#: Read for the last line.
_END_BYTES = 64 * 1024


class LogsNotWrittenError(TunerError):
    """The folder of the logs cannot be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"Cannot write logs to {path}: {error.strerror or error}. "
            "Make it writable for this user, or choose another folder with TUNER_HOME."
        )


def make_log_folder(folder: Path) -> None:
    """Make the folder where it is not there.

    Raises:
        LogsNotWrittenError: It cannot be made.
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
        self._path = path
        try:
            # Appending: a process then writes to the end of the file also after the file was made shorter.
            self.file = path.open("ab")
        except OSError as error:
            raise LogsNotWrittenError(path, error) from error
        self.keep_short()

    def keep_short(self) -> None:
        """Move the content to a file beside this one when it is large, and go on with an empty file.

        The file itself stays, as Python, C libraries and child processes have it open. A line that is written meanwhile
        may be lost.
        """
        size = os.fstat(self.file.fileno()).st_size
        if size <= LARGEST_BYTES:
            return
        # Another pool with the same folder may do the same; a full disk must not end the pool.
        with suppress(OSError):
            for number in range(KEPT, 1, -1):
                with suppress(FileNotFoundError):
                    self._older(number - 1).replace(self._older(number))
            with self._path.open("rb") as source, self._older(1).open("wb") as target:
                source.seek(max(0, size - LARGEST_BYTES))
                shutil.copyfileobj(source, target)
        os.ftruncate(self.file.fileno(), 0)

    def last_line(self) -> str:
        """Return the last line that was written, also one that was moved aside, or an empty text."""
        return _last_line(self._path) or _last_line(self._older(1))

    def close(self) -> None:
        """Close the file in this process; it stays open in the worker."""
        self.file.close()

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
