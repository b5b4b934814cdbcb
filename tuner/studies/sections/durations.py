"""Spans of time as people write them: a number of seconds, or text such as "2h" or "1h 30m"."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNIT_S = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])\s*")


def parse_duration(value: Any) -> Any:
    """Return the seconds of a text such as "1h 30m"; what is no text is left as it is.

    Raises:
        ValueError: The text is no span of time.
    """
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text):
        raise ValueError('expected seconds, or text with the units d, h, m and s such as "2h" or "1h 30m"')
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


#: A setting in seconds, above 0.
Duration = Annotated[float, Field(gt=0), BeforeValidator(parse_duration)]


def describe_duration(seconds: float) -> str:
    """Return the span of time as a definition may have it, in the largest units, such as `1h 30m`."""
    parts = []
    for unit, length_s in _UNIT_S.items():
        whole = seconds // length_s if unit != "s" else seconds
        if whole:
            parts.append(f"{whole:g}{unit}")
            seconds -= whole * length_s
    return " ".join(parts)
