"""Spans of time, such as those in which trials were trained."""

import math
from collections.abc import Iterable


def covered_s(spans: Iterable[tuple[float, float]]) -> float:
    """Return the seconds in which at least one of these spans, begin and end in seconds, ran.

    Pauses between them do not count: finals that are asked for later begin when nobody has trained for a while. Nor
    does any second twice: a trial that changed workers overlaps the earlier trials of its last worker.
    """
    seconds, until = 0.0, -math.inf
    for begin, end in sorted(spans):
        seconds += max(0.0, end - max(begin, until))
        until = max(until, end)
    return seconds
