"""Damage to good files and texts, drawn from a seed, so that most of the content stays what a reader expects.

Hypothesis draws the seed and names it when a reader fails. Drawing each edit by Hypothesis takes ten times as long as
most readers do.
"""

import random
from collections.abc import Callable, Sequence

#: Numbers that sizes and counts in a header are replaced by.
_EXTREME_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
#: Pieces of text that have broken readers of text.
_HOSTILE_TEXTS = (
    "9" * 5_000,
    "-" + "9" * 5_000,
    "[" * 2_000,
    "{a=" * 1_000,
    "a." * 2_000,
    "," * 3_000,
    '"' * 3,
    "\x00",
    "\r",
    "\ufeff",
    "\u202e",
    "1e999",
    "nan",
    "-inf",
    "0x10",
    "\u0661",  # the Arabic digit one
    "é",
    "'",
    "= = =",
    "1979-05-27T07:32:00Z",
    "x" * 200_000,
)


def mutate(good: bytes, seed: int) -> bytes:
    """Return the file after one to six edits."""
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    content = good
    for _ in range(draw.randint(1, 6)):
        content = draw.choice(_EDITS)(content, draw)
    return content


def mutate_text(good: str, seed: int) -> str:
    """Return the text after one to four edits."""
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    text = good
    for _ in range(draw.randint(1, 4)):
        start = draw.randint(0, len(text))
        n_replaced = draw.choice([0, draw.randint(1, 30)])
        text = text[:start] + _piece(text, start, draw) + text[start + n_replaced :]
    return text


def _piece(text: str, start: int, draw: random.Random) -> str:
    kind = draw.randint(0, 3)
    if kind == 0:
        return draw.choice(_HOSTILE_TEXTS)
    if kind == 1:
        return text[start : start + draw.randint(1, 200)]
    if kind == 2:
        return str(draw.randint(-(2**70), 2**70))
    return "".join(chr(draw.randint(1, 0xD7FF)) for _ in range(draw.randint(0, 8)))


def _place(content: bytes, draw: random.Random) -> int:
    # Headers stand at the start, directories of archives at the end: half of all edits go there.
    low, high = draw.choice([(0.0, 1.0), (0.0, 1.0), (0.0, 0.05), (0.95, 1.0)])
    return int(draw.uniform(low, high) * len(content))


def _put(content: bytes, draw: random.Random) -> bytes:
    return _splice(content, _place(content, draw), draw.randbytes(draw.randint(1, 4)))


def _insert(content: bytes, draw: random.Random) -> bytes:
    start = _place(content, draw)
    return content[:start] + draw.randbytes(draw.randint(1, 16)) + content[start:]


def _remove(content: bytes, draw: random.Random) -> bytes:
    start = _place(content, draw)
    return content[:start] + content[start + draw.randint(1, 64) :]


def _repeat(content: bytes, draw: random.Random) -> bytes:
    start = _place(content, draw)
    return content[: start + draw.randint(1, 256)] + content[start:]


def _put_number(content: bytes, draw: random.Random) -> bytes:
    n_bytes = draw.choice([2, 4, 8])
    number = draw.choice(_EXTREME_NUMBERS) % 256**n_bytes
    return _splice(content, _place(content, draw), number.to_bytes(n_bytes, draw.choice(["little", "big"])))


def _flip_bit(content: bytes, draw: random.Random) -> bytes:
    start = _place(content, draw)
    return (
        _splice(content, start, bytes([content[start] ^ 1 << draw.randint(0, 7)])) if start < len(content) else content
    )


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: _place(content, draw)]


def _splice(content: bytes, start: int, piece: bytes) -> bytes:
    return content[:start] + piece + content[start + len(piece) :]


_EDITS: Sequence[Callable[[bytes, random.Random], bytes]] = (
    _put,
    _insert,
    _remove,
    _repeat,
    _put_number,
    _flip_bit,
    _cut,
)
