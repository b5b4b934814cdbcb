"""The thread that speaks to the database while a worker trains: it renews the lease, passes on results, and reaps.

Training never waits for the database. A result is handed over and its pruning decision awaited for a moment; while the
database is away results queue up, and are passed on in their order when it is back. Only a lost lease, a stopped study
or a decision to prune ends a trial.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tuner.studies.fleet import update_worker
from tuner.studies.outages import STORAGE_ERRORS
from tuner.studies.slots import Lease, LeaseLostError, StudyStoppedError, reap_expired_leases, renew_lease
from tuner.studies.storage import Storage
from tuner.training.history import EpochResult

_log = logging.getLogger(__name__)

#: Seconds that training waits for the decision on an epoch, while the database answers.
_DECISION_S = 2.0

#: Passes a result on; returns whether the trial should be pruned.
PassOn = Callable[[EpochResult], bool]


class PrunedError(Exception):
    """The pruner gave the trial up."""


#: With these, or without any, results that wait are still passed on.
_NOT_FINAL = (PrunedError, StudyStoppedError, type(None))


class Reporter:
    """Holds one lease at a time; use it as a context manager."""

    def __init__(self, storage: Storage, worker_id: str, *, ttl_s: float) -> None:
        self._storage = storage
        self._worker_id = worker_id
        self._ttl_s = ttl_s
        self._lease: Lease | None = None
        self._pass_on: PassOn | None = None
        self._results: deque[EpochResult] = deque()
        self._epoch = 0
        self._verdict: Exception | None = None
        self._ended = False
        #: Guards all of the above; notified whenever one of them changes.
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def hold(self, lease: Lease) -> None:
        """Renew this lease from now on."""
        with self._changed:
            self._lease, self._pass_on = lease, None
            self._results.clear()
            self._epoch, self._verdict = 0, None
            self._changed.notify_all()

    def let_go(self) -> None:
        """Renew nothing any more."""
        with self._changed:
            self._lease = None

    def pass_results_to(self, pass_on: PassOn) -> None:
        """Hand every result of the present lease to this function, in the reporter's thread."""
        with self._changed:
            self._pass_on = pass_on

    def finish_epoch(self, result: EpochResult) -> None:
        """Hand over a result, and wait a moment for the decision on it unless the database is away.

        Raises:
            LeaseLostError: Another worker has the slot.
            StudyStoppedError: The study gives out no more work.
            PrunedError: The pruner gave the trial up, for this epoch or an earlier one.
        """
        with self._changed:
            self._results.append(result)
            self._changed.notify_all()
            deadline = time.monotonic() + _DECISION_S
            while self._results and self._verdict is None and not self._storage.contact.is_lost:
                # Short, as losing contact notifies nobody.
                if not self._changed.wait(0.1) and time.monotonic() > deadline:
                    break
            if self._verdict is not None:
                raise self._verdict

    def flush(self) -> None:
        """Wait until every result has been passed on, however long the database is away.

        Raises:
            LeaseLostError: Another worker has the slot.
            DBAPIError: The database was away for longer than patience allows.
        """
        with self._changed:
            while self._results and isinstance(self._verdict, _NOT_FINAL):
                self._changed.wait()
            if self._verdict is not None and not isinstance(self._verdict, _NOT_FINAL):
                raise self._verdict

    def _run(self) -> None:
        next_sign = 0.0
        while not self._ended:
            with self._changed:
                if not self._results:
                    self._changed.wait(max(0.0, next_sign - time.monotonic()))
                lease, pass_on = self._lease, self._pass_on
                result = self._results[0] if self._results else None
            is_due = time.monotonic() >= next_sign
            try:
                if is_due or result is None:
                    self._give_sign(lease)
                if lease is not None:
                    self._speak(lease, result, pass_on)
                if is_due:
                    # Also while nobody asks for work: a vanished worker's trial must not wait for the end of a queue.
                    reap_expired_leases(self._storage, ttl_s=self._ttl_s)
            except Exception as verdict:  # noqa: BLE001 - the training thread raises it
                self._conclude(lease, verdict)
            if result is not None:
                self._done_with(lease)
            if is_due:
                next_sign = time.monotonic() + self._ttl_s / 3

    def _give_sign(self, lease: Lease | None) -> None:
        if lease is None:
            update_worker(self._storage, self._worker_id, state="waiting")
        else:
            update_worker(self._storage, self._worker_id, state="training", slot_id=lease.slot_id)

    def _speak(self, lease: Lease, result: EpochResult | None, pass_on: PassOn | None) -> None:
        if result is not None:
            self._epoch = result.epoch
        # First the lease: a worker that lost it must not report.
        renew_lease(self._storage, lease, epoch=self._epoch, ttl_s=self._ttl_s)
        if result is not None and pass_on is not None and pass_on(result):
            raise PrunedError

    def _conclude(self, lease: Lease | None, verdict: Exception) -> None:
        with self._changed:
            if lease is not None and self._lease is lease and not isinstance(self._verdict, LeaseLostError):
                self._verdict = verdict
            self._changed.notify_all()
        if isinstance(verdict, STORAGE_ERRORS):
            _log.warning("The database did not come back in time.")

    def _done_with(self, lease: Lease | None) -> None:
        with self._changed:
            if self._lease is lease and self._results:
                self._results.popleft()
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(timeout=1)
