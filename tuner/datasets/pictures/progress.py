"""Lines that tell how far the decoding of pictures is: in a worker's log, or wherever people look."""

import logging
import time
from collections.abc import Callable

#: Seconds between two lines, and before the first.
_INTERVAL_S = 10.0

_log = logging.getLogger(__name__)


def tell_decoding(
    tell: Callable[[str], None] = _log.info, *, interval_s: float = _INTERVAL_S
) -> Callable[[int, int], None]:
    """Return a function that tells how many of all pictures are decoded, at most once in an interval."""
    last_s = time.monotonic()

    def on_progress(n_done: int, n_all: int) -> None:
        nonlocal last_s
        if time.monotonic() - last_s < interval_s:
            return
        last_s = time.monotonic()
        tell(f"Decoded {n_done:,} of {n_all:,} pictures.")

    return on_progress
