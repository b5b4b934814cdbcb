"""An exception in one line: where in the person's own code it came from, and what it says.

TensorFlow and Keras wrap what a person's layer, loss or step raises: "in user code:", "Graph execution error:",
"Exception encountered when calling Layer.call()." stand in the first line, the message and often the frames below it.
"""

import re
from pathlib import Path

from tuner.spaces.own_code import FRAME, find_own_line, text_of

#: A longer line is cut; the traceback has all of it.
_MAX_LENGTH = 500
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
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


def explain_exception(error: BaseException) -> str:
    """Return the innermost place in the person's own code, the exception's type and its message, in one line.

    As in `nets.py:41 in build: ValueError: no such layer`; without the place when none of that code was running.
    """
    text = _ANSI.sub("", text_of(error))
    own = find_own_line(error, text)
    kind, words = _type_and_words(error, text)
    said = f"{kind}: {words}" if words else kind
    where = f"{Path(own.file).name}:{own.line} in {own.function}: " if own else ""
    line = where + said
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"


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
    frames = list(FRAME.finditer(text))
    if not frames:
        return text.strip()
    # Code follows its frame at once, a message after an empty line.
    paragraphs = text[frames[-1].end() :].split("\n\n")
    below = "\n\n".join(paragraphs[1:])
    return "\n".join(line.strip() for line in below.splitlines()).strip()
