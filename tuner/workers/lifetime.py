"""Decide when to replace a worker process: TensorFlow and user code leak memory."""

from collections.abc import Callable
from dataclasses import dataclass

#: Number of slots after which a new process replaces a worker process.
MAX_SLOTS = 30
#: It is replaced earlier when its memory exceeds this multiple of its size after the first slot. TensorFlow never frees
#: XLA's programs, which take about 9 MB each.
_LARGEST_GROWTH = 1.15
#: A process is not replaced because of its memory before this number of slots: a start takes as long as a short trial.
_FEWEST_SLOTS = 10


def _resident_bytes() -> int:
    # Imported here, because the command line reads `MAX_SLOTS` for its help and must start fast.
    import psutil

    return int(psutil.Process().memory_info().rss)


@dataclass(kw_only=True)
class Lifetime:
    """Counts the slots of a process; call `end_slot` after a slot's memory has been released."""

    #: None: the process is never replaced, whatever its memory.
    max_slots: int | None
    measure: Callable[[], int] = _resident_bytes
    _n_slots: int = 0
    _first_bytes: int = 0

    def end_slot(self) -> None:
        """Count a finished slot."""
        self._n_slots += 1
        self._first_bytes = self._first_bytes or self.measure()

    def is_over(self) -> bool:
        """Return whether a new process should replace this one."""
        if self.max_slots is None:
            return False
        return self._n_slots >= self.max_slots or (
            self._n_slots >= _FEWEST_SLOTS and self.measure() > _LARGEST_GROWTH * self._first_bytes
        )
