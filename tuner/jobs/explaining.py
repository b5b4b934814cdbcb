"""Describe an exception in one line: where the user's own code raised it, its type and its message.

TensorFlow and Keras wrap the exceptions of a user's layer, loss or training step: the first line is "in user code:",
"Graph execution error:" or "Exception encountered when calling Layer.call().", and the message, often with frames,
follows below it.
"""

import re
from pathlib import Path

from tuner.spaces.handed_over import describe_line
from tuner.spaces.own_code import FRAME, CodeLine, find_own_line, text_of

#: A longer line is cut; the traceback holds all of it.
_MAX_LENGTH = 500
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
#: Headings and decorations, which say nothing about the error.
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
    """Return the innermost place in the user's own code, the exception's type and its message, in one line.

    For example `nets.py:41 in build: ValueError: no such layer`; without the place if none of that code was running. Of
    a builder from a script or a notebook: ``function build, line 2, `return 1 / 0`: ZeroDivisionError``.
    """
    text = _ANSI.sub("", text_of(error))
    own = find_own_line(error, text)
    kind, words = _type_and_words(error, text)
    said = f"{kind}: {words}" if words else kind
    line = f"{_place(own)}: {said}" if own else said
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"


def _place(own: CodeLine) -> str:
    return describe_line(own.file, own.line) or f"{Path(own.file).name}:{own.line} in {own.function}"


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
    # A line that ends in a colon means nothing without the line after it.
    words = " ".join(telling[:2]) if telling[0].endswith(":") else telling[0]
    if found := _TYPE.match(words):
        # The exception of a function that was called from within a graph.
        return found["type"], words[found.end() :]
    return kind, words


def _below_the_frames(text: str) -> str:
    """Return the text after the last quoted frame and its line of code."""
    frames = list(FRAME.finditer(text))
    if not frames:
        return text.strip()
    # Code follows its frame directly; a message follows after an empty line.
    paragraphs = text[frames[-1].end() :].split("\n\n")
    below = "\n\n".join(paragraphs[1:])
    return "\n".join(line.strip() for line in below.splitlines()).strip()
