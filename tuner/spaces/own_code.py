"""A person's own code, told apart from Python, installed packages and this one; and the line of it that failed."""

import re
import sysconfig
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: A frame as a traceback shows it, also within a message: TensorFlow quotes those of the code that it has traced.
FRAME = re.compile(r'^[ \t]*File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<function>[^\n]*)$', re.MULTILINE)

_PACKAGE = Path(__file__).resolve().parents[1]
_OF_PACKAGES = frozenset({"site-packages", "dist-packages"})
#: The name that TensorFlow gives to code which it has rewritten.
_REWRITTEN = "__autograph_generated_file"


@dataclass(frozen=True, kw_only=True)
class CodeLine:
    """A line that was running."""

    file: str
    line: int
    function: str


def find_own_line(error: BaseException, text: str) -> CodeLine | None:
    """Return the innermost line of the person's own code that an exception went through; None without one.

    Args:
        error: With its traceback.
        text: Its message, without escape sequences. What TensorFlow traced or ran elsewhere stands there alone, and
            lies deeper than the stack.
    """
    stack = [
        CodeLine(file=frame.filename, line=frame.lineno or 0, function=frame.name)
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    quoted = [
        CodeLine(file=found["file"], line=int(found["line"]), function=found["function"].rstrip(" *"))
        for found in FRAME.finditer(text)
    ]
    return next((line for line in reversed(stack + quoted) if is_own_file(line.file)), None)


#: A terminal's commands in a text.
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def text_of(error: BaseException) -> str:
    """Return an exception's message; empty where it fails to write one."""
    try:
        # Keras prints parts of its messages in bold.
        return _ANSI.sub("", str(error))
    except Exception:  # noqa: BLE001 - a person's exception may have any `__str__`
        return ""


def is_own_file(file: str) -> bool:
    """Say whether code is a person's own, by the name of its file in a traceback."""
    if file.startswith("<") or _REWRITTEN in file:
        return False
    return not is_installed(Path(file)) and not Path(file).resolve().is_relative_to(_PACKAGE)


def is_installed(file: Path) -> bool:
    """Say whether a file belongs to Python itself or to an installed package."""
    resolved = file.resolve()
    return bool(_OF_PACKAGES & set(resolved.parts)) or any(
        resolved.is_relative_to(folder) for folder in _folders_of_python()
    )


@cache
def _folders_of_python() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in names})
