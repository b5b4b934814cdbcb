"""The one error a caller can act on.

`TunerError` says what was received, what was expected and what to type next; the command line prints it as one line
and exits with its status. Each package defines its own situations beside the code that raises them; every other
exception is a bug and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class TunerError(Exception):
    """The caller can act on it."""

    #: Exit status of the command line.
    exit_status = 1


class RestartNeededError(TunerError):
    """This process cannot go on, a fresh one can: a lost device, a database away for too long."""

    exit_status = 75


def did_you_mean(received: str, known: Iterable[str]) -> str:
    """Return ` Did you mean …?` with the closest known word, or nothing when none is close."""
    close = difflib.get_close_matches(received, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
