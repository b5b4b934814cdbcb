"""Logging for people: one line an event on stderr, never on stdout."""

import contextlib
import ctypes
import logging
import os
import sys
from collections.abc import Iterator
from typing import TextIO

_STDOUT, _STDERR = 1, 2


def configure_logging(*, verbose: bool = False, worker: str = "") -> None:
    """Send this package's log lines to stderr; may be repeated.

    Args:
        verbose: Show debug lines too.
        worker: Shown before each line, so that lines of a pool can be told apart.
    """
    prefix = f"{worker} " if worker else ""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"%(asctime)s {prefix}%(levelname)s %(message)s", datefmt="%H:%M:%S"))
    logger = logging.getLogger("tuner")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


@contextlib.contextmanager
def stdout_as_stderr() -> Iterator[None]:
    """Send to stderr what the block writes to stdout, for code of people's own: stdout belongs to the answer.

    This holds for `print`, for libraries in C, and for the programs that the block starts. For one thread at a time.
    """
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
        # Without an open stdout or stderr there is nothing to keep apart.
        with contextlib.suppress(OSError):
            kept = os.dup(_STDOUT)
            stack.callback(os.close, kept)
            _flush(stdout)
            os.dup2(_STDERR, _STDOUT)
            stack.callback(os.dup2, kept, _STDOUT)
            # What the block has left in a buffer is its own.
            stack.callback(_flush, stdout)
        yield


def close_answer() -> None:
    """Send to stderr what people's code still prints while the process ends: the answer is complete."""
    if sys.stdout is not sys.__stdout__:
        return
    _flush(sys.stdout)
    with contextlib.suppress(OSError):
        os.dup2(_STDERR, _STDOUT)
    sys.stdout = sys.stderr


def _flush(stdout: TextIO | None) -> None:
    """Write out what Python and the C library hold back."""
    if stdout is not None and not stdout.closed:
        stdout.flush()
    ctypes.CDLL(None).fflush(None)
