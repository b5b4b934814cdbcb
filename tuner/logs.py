"""Logging for people: one line an event on stderr, never on stdout."""

import contextlib
import logging
import sys


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


def stdout_as_stderr() -> contextlib.redirect_stdout:  # type: ignore[type-arg] # the stream's type is of no interest
    """Return a context in which `print` writes to stderr, for code of people's own: stdout belongs to the answer."""
    return contextlib.redirect_stdout(sys.stderr)
