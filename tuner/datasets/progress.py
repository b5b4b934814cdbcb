"""Tells people, in lines of the log, how far a piece of work is that takes longer than they wait without a word."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from numpy.typing import NDArray

from tuner.datasets.stored_rows import windows

#: Seconds between two lines, and before the first.
_INTERVAL_S = 10.0
_MINUTE_S = 60

_log = logging.getLogger(__name__)


class Progress:
    """How much of some work is done.

    Args:
        what: What is done, as the beginning of a sentence: `Writing the images of mnist`.
        n: How much there is to do.
        show: From a number to text, such as `1.2 GiB`.
        clock: Seconds.
    """

    def __init__(
        self,
        what: str,
        n: int,
        *,
        show: Callable[[int], str] = "{:,}".format,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._n, self._show, self._clock = what, n, show, clock
        self._n_done = 0
        self._began = self._told = clock()

    def advance(self, n: int) -> None:
        """Count what was done since the last call."""
        self._n_done += n
        now = self._clock()
        if now - self._told < _INTERVAL_S or not self._n_done:
            return
        self._told = now
        left_s = (now - self._began) / self._n_done * max(0, self._n - self._n_done)
        left = f"{left_s / _MINUTE_S:.0f} min" if left_s >= _MINUTE_S else f"{left_s:.0f} s"
        done, everything = self._show(self._n_done), self._show(self._n)
        _log.info("%s: %s of %s (%.0f %%), %s left.", self._what, done, everything, 100 * self._n_done / self._n, left)


def show_bytes(n_bytes: int) -> str:
    """Return a size as people read it."""
    return f"{n_bytes / 2**30:.1f} GiB"


def told_windows(array: NDArray[Any], what: str) -> Iterator[slice]:
    """Yield `stored_rows.windows`, and tell how far they are."""
    progress = Progress(what, array.nbytes, show=show_bytes)
    row_bytes = array[:1].nbytes
    for window in windows(array):
        yield window
        progress.advance((window.stop - window.start) * row_bytes)
