"""Logging: one line per event on stderr, never on stdout; for people, or as JSON for programs."""

import contextlib
import ctypes
import io
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

_STDOUT, _STDERR = 1, 2


LogFormat = Literal["text", "json"]


def configure_logging(*, worker: str = "", log_format: LogFormat = "text") -> None:
    """Send this package's log lines to stderr; may be called again.

    Args:
        worker: A prefix of each line, which distinguishes the workers of a pool; in JSON a field.
        log_format: With `json`, each line that this process' Python writes to stderr is an object with the same fields,
            other packages' lines and messages to people included.
    """
    if log_format == "json":
        _log_as_json(worker)
        return
    prefix = f"{worker} " if worker else ""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"%(asctime)s {prefix}%(levelname)s %(message)s", datefmt="%H:%M:%S"))
    logger = logging.getLogger("tuner")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _log_as_json(worker: str) -> None:
    stream = sys.stderr.stream if isinstance(sys.stderr, _JsonLines) else sys.stderr
    sys.stderr = _JsonLines(stream, worker)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonFormatter(worker))
    root, ours = logging.getLogger(), logging.getLogger("tuner")
    root.handlers[:] = [handler]
    ours.handlers.clear()
    ours.setLevel(logging.INFO)
    ours.propagate = True


def _json_line(*, level: str, logger: str, message: str, worker: str, error: str | None = None) -> str:
    fields: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level.lower(),
        "logger": logger,
        "message": message,
        "worker": worker or None,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "error": error,
    }
    # Characters outside ASCII are escaped: what a message quotes may be no UTF-8.
    return json.dumps(fields)


class _JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON; a traceback is its field `error`."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        error = self.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else None
        return _json_line(
            level=record.levelname, logger=record.name, message=record.getMessage(), worker=self._worker, error=error
        )


class _JsonLines(io.TextIOBase):
    """Takes the place of stderr: what is written there for people becomes one object a line."""

    def __init__(self, stream: TextIO, worker: str) -> None:
        self.stream, self._worker = stream, worker
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._write_line(line)
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def close(self) -> None:
        if self._begun:
            self._write_line(self._begun)
            self._begun = ""
        self.stream.flush()

    def fileno(self) -> int:
        return self.stream.fileno()

    def isatty(self) -> bool:
        """Say no: nothing is drawn here."""
        return False

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override] # as of a text stream
        return self.stream.encoding

    def _write_line(self, line: str) -> None:
        if line.strip():
            self.stream.write(f"{_json_line(level='info', logger='stderr', message=line, worker=self._worker)}\n")
            self.stream.flush()


@contextlib.contextmanager
def stdout_as_stderr() -> Iterator[None]:
    """Send to stderr what the user's code in this block writes to stdout, because stdout is for the command's answer.

    This covers `print`, C libraries, and the programs that the block starts. Use it in one thread at a time.
    """
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
        # If stdout or stderr is closed, there is nothing to redirect.
        with contextlib.suppress(OSError):
            kept = os.dup(_STDOUT)
            stack.callback(os.close, kept)
            _flush(stdout)
            os.dup2(_STDERR, _STDOUT)
            stack.callback(os.dup2, kept, _STDOUT)
            # Output that the block left in a buffer goes to stderr too.
            stack.callback(_flush, stdout)
        yield


def close_answer() -> None:
    """Send later output of the user's code to stderr, because the answer on stdout is complete."""
    if sys.stdout is not sys.__stdout__:
        return
    _flush(sys.stdout)
    with contextlib.suppress(OSError):
        os.dup2(_STDERR, _STDOUT)
    sys.stdout = sys.stderr


def _flush(stdout: TextIO | None) -> None:
    """Flush the buffers of Python and of the C library."""
    if stdout is not None and not stdout.closed:
        stdout.flush()
    ctypes.CDLL(None).fflush(None)
