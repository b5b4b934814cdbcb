"""The base class of all errors that a caller can act on.

A `TunerError` says what was received, what was expected and what to type next. The command line prints it as one line
and exits with its status. Each package defines subclasses beside the code that raises them. Every other exception is a
bug and keeps its traceback.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

#: Longer texts are not compared: they cannot be mistyped names.
_LONGEST_COMPARED = 500


NO_MEANINGS: Mapping[str, Sequence[str]] = MappingProxyType({})


class TunerError(Exception):
    """An error that the caller can act on."""

    #: Exit status of the command line.
    exit_status = 1

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: the line says what to do, this package's own lines would not."""
        return [f"{type(self).__name__}: {self}"]


class RestartNeededError(TunerError):
    """This process cannot continue, but a new one can: a device failed, or the database was away for too long."""

    exit_status = 75


def shorten(text: str, *, width: int = 60) -> str:
    """Return any text that a person typed in a form for errors: on one line, printable, and of limited length."""
    line = " ".join(text[: 10 * width].split())
    printable = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line)
    return printable if len(printable) <= width and len(text) <= 10 * width else f"{printable[:width]}…"


def did_you_mean(received: str, known: Iterable[str], *, meanings: Mapping[str, Sequence[str]] = NO_MEANINGS) -> str:
    """Return ` Did you mean …?` with the closest known word, or an empty text if none is close.

    Args:
        received: What somebody typed.
        known: The words that are known here.
        meanings: What other names stand for, in lower case without separators: how other tools call it.
    """
    meant = meanings.get("".join(letter for letter in received.lower() if letter.isalnum()))
    if meant:
        return f" Did you mean {' or '.join(map(repr, meant))}?"
    # The time of the comparison grows with the square of the length.
    close = difflib.get_close_matches(received, list(known), n=1) if len(received) <= _LONGEST_COMPARED else []
    return f" Did you mean {close[0]!r}?" if close else ""
