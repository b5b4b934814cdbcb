"""How many slots one process works on: frameworks and builders free less than they take."""

from collections.abc import Callable
from dataclasses import dataclass

#: Slots after which a worker process makes room for a fresh one.
MAX_SLOTS = 30
#: It does so earlier when it holds so many times what it held after its first slot, such as programs by XLA, of which
#: TensorFlow frees none: about 9 MB each.
_LARGEST_GROWTH = 1.15
#: A start takes as long as a short trial: memory alone ends no process before so many slots.
_FEWEST_SLOTS = 10


def _resident_bytes() -> int:
    # The command line reads `MAX_SLOTS` for its help, and must start fast.
    import psutil

    return int(psutil.Process().memory_info().rss)


@dataclass(kw_only=True)
class Lifetime:
    """Counts a process' slots; call `end_slot` when a slot's memory has been released."""

    #: None never ends, however much memory it takes.
    max_slots: int | None
    measure: Callable[[], int] = _resident_bytes
    _n_slots: int = 0
    _first_bytes: int = 0

    def end_slot(self) -> None:
        """Count one more."""
        self._n_slots += 1
        self._first_bytes = self._first_bytes or self.measure()

    def is_over(self) -> bool:
        """Return whether a fresh process should go on."""
        if self.max_slots is None:
            return False
        return self._n_slots >= self.max_slots or (
            self._n_slots >= _FEWEST_SLOTS and self.measure() > _LARGEST_GROWTH * self._first_bytes
        )
