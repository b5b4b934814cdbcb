"""Limit the time for which one attempt at a trial may train."""

import logging
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tuner.errors import RestartNeededError, TunerError
from tuner.studies.sections.durations import describe_duration

_log = logging.getLogger(__name__)

#: Seconds after the limit for which the process waits for the epoch to finish.
_GRACE_S = 5.0
#: The state of the process is unknown; the pool starts a new one.
_RESTART_STATUS = RestartNeededError.exit_status


class TrialTimeoutError(TunerError):
    """The trial trained for longer than its study allows."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"The trial trained for longer than search.trial_timeout = {describe_duration(limit_s)} without finishing "
            "an epoch. Raise the limit, or narrow the space to faster models."
        )
        self.limit_s = limit_s


class TimeLimit:
    """Ends a training run that takes too long; use it as a context manager and call `check` after each epoch.

    Python cannot interrupt an epoch that never ends: `on_endless` then stores the finished epochs from another thread,
    and the process exits.
    """

    def __init__(self, limit_s: float | None, on_endless: Callable[[TrialTimeoutError], None]) -> None:
        self._limit_s = limit_s
        self._on_endless = on_endless
        self._is_over = False
        self._timers: list[threading.Timer] = []

    def check(self) -> None:
        """Raise an error if the time is over.

        Raises:
            TrialTimeoutError: The time is over.
        """
        if self._is_over and self._limit_s is not None:
            raise TrialTimeoutError(self._limit_s)

    def _end_time(self) -> None:
        self._is_over = True

    def _end_process(self) -> None:
        error = TrialTimeoutError(self._limit_s or 0.0)
        _log.error("search.trial_timeout is over, and the epoch does not end. This process exits.")
        try:
            self._on_endless(error)
        finally:
            os._exit(_RESTART_STATUS)

    def __enter__(self) -> Self:
        if self._limit_s is not None:
            self._timers = [
                threading.Timer(self._limit_s, self._end_time),
                threading.Timer(self._limit_s + _GRACE_S, self._end_process),
            ]
            for timer in self._timers:
                timer.daemon = True
                timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for timer in self._timers:
            timer.cancel()
