"""Logging for people: one line per event on stderr, never on stdout."""

import contextlib
import ctypes
import logging
import os
import sys
from collections.abc import Iterator
from typing import TextIO

_STDOUT, _STDERR = 1, 2


def configure_logging(*, verbose: bool = False, worker: str = "") -> None:
    """Send this package's log lines to stderr; may be called again.

    Args:
        verbose: Whether to show debug lines.
        worker: A prefix of each line, which distinguishes the workers of a pool.
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
