"""Texts and numbers that every database can keep, and what becomes of the others.

Postgres keeps JSON with NUL or with half of a surrogate pair (bytes that were no UTF-8), and then fails to read it. It
refuses JSON with NaN or infinity, which Python writes.
"""

import math
import re
from typing import Any

_NOT_STORED = re.compile("[\0\ud800-\udfff]")


def can_be_stored(text: str) -> bool:
    """Say whether every database can be given this text."""
    return _NOT_STORED.search(text) is None


def make_storable(value: Any) -> Any:
    """Return the value of JSON's types with a visible escape in place of each character that cannot be stored.

    NaN and the infinities become the texts that `read_number` turns back.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return _NOT_STORED.sub(lambda found: ascii(found[0])[1:-1], value)
    if isinstance(value, dict):
        return {make_storable(key): make_storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [make_storable(item) for item in value]
    return value


def read_number(stored: float | str | None) -> float | None:
    """Return a number that `make_storable` may have turned into a text."""
    return float(stored) if isinstance(stored, str) else stored
