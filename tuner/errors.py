"""The one error a caller can act on.

`TunerError` says what was received, what was expected and what to type next; the command line prints it as one line
and exits with its status. Each package defines its own situations beside the code that raises them; every other
exception is a bug and keeps its traceback.
"""

import difflib
from collections.abc import Iterable

#: No name is longer; what is longer is no slip in a name.
_LONGEST_COMPARED = 500


class TunerError(Exception):
    """The caller can act on it."""

    #: Exit status of the command line.
    exit_status = 1


class RestartNeededError(TunerError):
    """This process cannot go on, a fresh one can: a lost device, a database away for too long."""

    exit_status = 75


def shorten(text: str, *, width: int = 60) -> str:
    """Return what a person typed, which may be anything, for an error: on one line, printable and of this length."""
    line = " ".join(text[: 10 * width].split())
    printable = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line)
    return printable if len(printable) <= width and len(text) <= 10 * width else f"{printable[:width]}…"


def did_you_mean(received: str, known: Iterable[str]) -> str:
    """Return ` Did you mean …?` with the closest known word, or nothing when none is close."""
    # The comparison takes time in proportion to the square of the length.
    close = difflib.get_close_matches(received, list(known), n=1) if len(received) <= _LONGEST_COMPARED else []
    return f" Did you mean {close[0]!r}?" if close else ""
