"""How many models one program trains at once: the number that trains most epochs a second here.

It is found by trying. The first members train two epochs with 1 at once, the next ones with 2, with 4, and so on: an
epoch that compiles, and one that is timed. Trying ends where twice as many are not faster, where they do not fit into
the memory, or where compiling another program takes longer than it could save.
"""

import logging
from typing import Self

_log = logging.getLogger(__name__)

#: A larger number of models is kept if it trains at least this many times as many epochs a second.
_GAIN = 1.1
#: What share of the time that is left the next number would save if it trained twice as many epochs a second.
_SAVING = 0.5


class WidthChoice:
    """Chooses how many members are trained at once.

    Args:
        most: No more than this.
    """

    def __init__(self, *, most: int) -> None:
        self.most = most
        #: Members that are trained at once for now.
        self.width = 1
        #: Whether it stays so.
        self.is_settled = most == 1
        #: Whether it stays so because others were slower, did not fit, or are not allowed.
        self.is_found = False
        #: Epochs of members that it has seen, and that were seen of such members before.
        self.n_epochs, self.n_epochs_before = 0, 0
        #: The fastest number so far, and its epochs a second.
        self._best: tuple[int, float] | None = None
        self._first_s: float | None = None

    @classmethod
    def fixed(cls, width: int) -> Self:
        """Return the choice of this number."""
        choice = cls(most=width)
        choice.width, choice.is_settled = width, True
        return choice

    def take(self, width: int) -> None:
        """Take what was found for members of the same structure."""
        self.width, self.is_settled, self.is_found = min(width, self.most), True, True

    def observe(self, duration_s: float, *, n_epochs_left: int) -> None:
        """Learn how long an epoch of `width` members took.

        Args:
            duration_s: On the clock, with all that an epoch needs.
            n_epochs_left: Epochs that members have to train yet, those of all together.
        """
        self.n_epochs += self.width
        if self.is_settled:
            return
        if self._first_s is None:
            self._first_s = duration_s
            return
        rate, compiling_s, self._first_s = self.width / duration_s, max(0.0, self._first_s - duration_s), None
        _log.debug("%d at once: %.3g epochs a second, %.2g s to compile", self.width, rate, compiling_s)
        if self._best is not None and rate < _GAIN * self._best[1]:
            self._settle(self._best[0], is_found=True)
            return
        self._best = self.width, rate
        # As many as before may follow, in the next trials.
        n_expected = n_epochs_left + self.n_epochs_before
        if self.width == self.most or n_expected / rate * _SAVING <= compiling_s:
            self._settle(self.width, is_found=self.width == self.most)
        else:
            self.width = self._next()

    def refuse(self) -> None:
        """Learn that `width` members, which are several, do not fit into the device's memory."""
        self._settle(self.width // 2 if self._best is None or self.is_settled else self._best[0], is_found=True)

    def _next(self) -> int:
        doubled = 2 * self.width
        # Of ten, 4 are followed by 10: with 8, the last 2 would be a program of their own.
        return self.most if 2 * doubled > self.most else doubled

    def _settle(self, width: int, *, is_found: bool) -> None:
        self.width, self.is_settled, self.is_found = width, True, is_found
        _log.info("Training %d of %d models at once.", width, self.most)
