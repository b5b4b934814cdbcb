"""Lines in the log of a worker while it decodes pictures."""

import logging
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)

#: Seconds between two lines.
_INTERVAL_S = 10.0


def log_decoding(interval_s: float = _INTERVAL_S) -> Callable[[int, int], None]:
    """Return a function that logs how many pictures are decoded, at most once in an interval."""
    last_s = time.monotonic()

    def on_progress(n_done: int, n_all: int) -> None:
        nonlocal last_s
        if time.monotonic() - last_s < interval_s:
            return
        last_s = time.monotonic()
        _log.info("Decoded %s of %s pictures", f"{n_done:,}", f"{n_all:,}")

    return on_progress
