"""An exception in one line: where in the person's own code it came from, and what it says.

TensorFlow and Keras wrap what a person's layer, loss or step raises: "in user code:", "Graph execution error:",
"Exception encountered when calling Layer.call()." stand in the first line, the message and often the frames below it.
"""

import re
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: A longer line is cut; the traceback has all of it.
_MAX_LENGTH = 500
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r'^[ \t]*File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<function>[^\n]*)$', re.MULTILINE)
#: Headings and ornaments, which say nothing of the error.
_NOISE = re.compile(
    r"^(Graph execution error|in user code):|^Detected at node |^\[\[\{\{node |^\d+ root error\(s\) found|"
    r"^Traceback \(most recent call last\)|^[\s^~]*$"
)
_TYPE = re.compile(r"^(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)): ?")
_ORNAMENTS = re.compile(r"\{\{function_node [^}]*\}\} ?|^\(\d+\) [A-Z_]+: ?| \[Op:\w+\].*$")
_WRAPPER = re.compile(
    r"^Exception encountered when calling .*?\n\n(?P<inner>.*?)(\n\s*\nArguments received by|\Z)", re.DOTALL
)
_INFERENCE = "Error encountered:"
_PACKAGE = Path(__file__).parents[1]
#: Python's own files and those of installed packages.
_NOT_THEIRS = ("/site-packages/", "/dist-packages/", "/__autograph_generated_file")
_FOLDERS = tuple(
    f"{Path(folder)}/"
    for folder in (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "scripts")),
        # Behind the links by which a virtual environment has them.
        *(str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "scripts")),
        str(_PACKAGE),
        str(_PACKAGE.resolve()),
    )
)


@dataclass(frozen=True, kw_only=True)
class _Frame:
    file: str
    line: int
    function: str


def explain_exception(error: BaseException) -> str:
    """Return the innermost place in the person's own code, the exception's type and its message, in one line.

    As in `nets.py:41 in build: ValueError: no such layer`; without the place when none of that code was running.
    """
    text = _ANSI.sub("", _text_of(error))
    own = next(_own_frames(error, text), None)
    kind, words = _type_and_words(error, text)
    said = f"{kind}: {words}" if words else kind
    where = f"{Path(own.file).name}:{own.line} in {own.function}: " if own else ""
    line = where + said
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception of somebody else's may not even print itself
        return ""


def _own_frames(error: BaseException, text: str) -> Iterator[_Frame]:
    """Yield the frames of the person's own code, the innermost first."""
    # What TensorFlow has traced or run elsewhere is in the message alone, and lies deeper than the stack.
    quoted = [
        _Frame(file=found["file"], line=int(found["line"]), function=found["function"].rstrip(" *"))
        for found in _FRAME.finditer(text)
    ]
    stack = [
        _Frame(file=frame.filename, line=frame.lineno or 0, function=frame.name)
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return (frame for frame in reversed(stack + quoted) if is_own_file(frame.file))


def is_own_file(file: str) -> bool:
    """Say whether a file of Python code is a person's own: of no package, of Python neither."""
    is_file = not file.startswith("<")
    return is_file and not any(part in file for part in _NOT_THEIRS) and not file.startswith(_FOLDERS)


def _type_and_words(error: BaseException, text: str) -> tuple[str, str]:
    kind = type(error).__name__
    rest = _below_the_frames(text)
    if rest != text and (found := _TYPE.match(rest)):
        kind, rest = found["type"].rpartition(".")[2], rest[found.end() :]
    rest = rest.removeprefix(f"{kind}: ")
    while wrapped := _WRAPPER.match(rest):
        rest = wrapped["inner"].strip()
    if _INFERENCE in rest:
        rest = rest.partition(_INFERENCE)[2]
    lines = [_ORNAMENTS.sub("", line.strip()).strip() for line in rest.splitlines()]
    telling = [line for line in lines if not _NOISE.search(line)]
    if not telling:
        return kind, ""
    # A line that announces says nothing without what it announces.
    words = " ".join(telling[:2]) if telling[0].endswith(":") else telling[0]
    if found := _TYPE.match(words):
        # What a function called from within a graph raised.
        return found["type"], words[found.end() :]
    return kind, words


def _below_the_frames(text: str) -> str:
    """Return what stands below the last frame that the text quotes, and below that frame's line of code."""
    frames = list(_FRAME.finditer(text))
    if not frames:
        return text.strip()
    # Code follows its frame at once, a message after an empty line.
    paragraphs = text[frames[-1].end() :].split("\n\n")
    below = "\n\n".join(paragraphs[1:])
    return "\n".join(line.strip() for line in below.splitlines()).strip()
