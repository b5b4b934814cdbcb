"""When to replace a worker process: TensorFlow and people's own code leak memory."""

from collections.abc import Callable
from dataclasses import dataclass

#: Number of slots after which a fresh process replaces a worker process.
MAX_SLOTS = 30
#: It is replaced earlier when its memory exceeds this multiple of its size after the first slot. XLA's programs, of
#: which TensorFlow frees none, take about 9 MB each.
_LARGEST_GROWTH = 1.15
#: A start takes as long as a short trial: before this number of slots no process is replaced because of its memory.
_FEWEST_SLOTS = 10


def _resident_bytes() -> int:
    # The command line reads `MAX_SLOTS` for its help, and must start fast.
    import psutil

    return int(psutil.Process().memory_info().rss)


@dataclass(kw_only=True)
class Lifetime:
    """Counts the slots of a process; call `end_slot` when a slot's memory has been released."""

    #: None: the process is never replaced, whatever its memory.
    max_slots: int | None
    measure: Callable[[], int] = _resident_bytes
    _n_slots: int = 0
    _first_bytes: int = 0

    def end_slot(self) -> None:
        """Count one more slot."""
        self._n_slots += 1
        self._first_bytes = self._first_bytes or self.measure()

    def is_over(self) -> bool:
        """Return whether a fresh process should go on."""
        if self.max_slots is None:
            return False
        return self._n_slots >= self.max_slots or (
            self._n_slots >= _FEWEST_SLOTS and self.measure() > _LARGEST_GROWTH * self._first_bytes
        )
