"""The thread that calls the database while a worker trains: it renews the lease, stores results, and reaps.

Training never waits for an outage of the database. The training thread passes each result to this thread. If a pruner
decides after that epoch, the training thread waits up to two seconds for the decision; other results are stored
together, at most once a second. While the database is away, results wait in a queue and are stored in order when it is
back. Only a lost lease, a stopped study, the end of its time or a decision to prune ends a trial.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tuner.epochs import Epoch, FoldProgress
from tuner.studies.database.errors import DatabaseAwayError
from tuner.studies.database.storage import Storage
from tuner.studies.fleet import update_worker
from tuner.studies.slots.leases import Lease, LeaseLostError, StudyStoppedError, TimeOverError, renew_lease
from tuner.studies.slots.reaping import reap_expired_leases
from tuner.studies.trials import PrunedError, TrialScores

_log = logging.getLogger(__name__)

#: Seconds for which training waits for the pruner's decision on an epoch, while the database answers.
_DECISION_S = 2.0
#: Seconds between two writes of results on which no pruner decides.
_INTERVAL_S = 1.0


#: Verdicts after which waiting results are still stored; `NoneType` stands for no verdict.
_NOT_FINAL = (PrunedError, StudyStoppedError, TimeOverError, type(None))


@dataclass(frozen=True, kw_only=True)
class _Report:
    """What is stored after an epoch, or when a fold is over."""

    #: Epochs so far, those of all folds together.
    n_epochs: int
    #: The fold that is trained, from 1; None in a study without folds.
    fold: int | None = None
    #: New scores by epoch, or in a study with folds by fold.
    scores: Mapping[int, float] = field(default_factory=dict)


class Reporter:
    """Holds one lease at a time; use it as a context manager.

    Args:
        storage: The database.
        worker_id: Whose leases these are.
        lease_s: Seconds after which a lease expires.
        is_companion: Another reporter of the worker says what the worker does, and reaps.
    """

    def __init__(self, storage: Storage, worker_id: str, *, lease_s: float, is_companion: bool = False) -> None:
        self._storage = storage
        self._is_companion = is_companion
        self._worker_id = worker_id
        self._lease_s = lease_s
        self._lease: Lease | None = None
        self._scores: TrialScores | None = None
        self._results: deque[_Report] = deque()
        self._epoch = 0
        self._fold: int | None = None
        self._verdict: Exception | None = None
        #: Whether a thread waits until the queued results are stored.
        self._is_urgent = False
        self._ended = False
        #: Guards all of the above; notified whenever one of them changes.
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def hold(self, lease: Lease) -> None:
        """Start renewing this lease."""
        with self._changed:
            self._lease, self._scores = lease, None
            self._results.clear()
            self._epoch, self._fold, self._verdict, self._is_urgent = 0, None, None, False
            self._changed.notify_all()

    def let_go(self) -> None:
        """Stop renewing the lease, and drop the results that are not stored yet."""
        with self._changed:
            self._lease = None
            self._results.clear()

    def pass_scores_to(self, scores: TrialScores) -> None:
        """Store the present lease's scores in this trial, and let its pruner decide."""
        with self._changed:
            self._scores = scores

    def finish_epoch(self, result: Epoch) -> None:
        """Add a result to the queue; if a pruner decides on it, wait for the decision, unless the database is away.

        Raises:
            LeaseLostError: Another worker has the slot.
            StudyStoppedError: The study was stopped.
            TimeOverError: The time of the study's search or finals is over.
            PrunedError: The pruner stopped the trial, after this epoch or an earlier one.
        """
        with self._changed:
            self._hand_over(_Report(n_epochs=result.epoch, scores=self._scores.read([result]) if self._scores else {}))

    def report_fold(self, progress: FoldProgress) -> None:
        """Do the same for an epoch of a fold, or for a fold that is over, which has a score.

        Raises:
            LeaseLostError: As `finish_epoch`; so the others.
        """
        scores = {} if progress.score is None else {progress.fold: progress.score}
        with self._changed:
            self._hand_over(_Report(n_epochs=progress.n_epochs, fold=progress.fold, scores=scores))

    def _hand_over(self, report: _Report) -> None:
        """Queue a report and wait for a decision on it, with the lock held."""
        self._results.append(report)
        if self._decides_on(report):
            self._is_urgent = True
            self._changed.notify_all()
            deadline = time.monotonic() + _DECISION_S
            while self._results and self._verdict is None and not self._storage.database.is_lost:
                # A short wait, because a lost connection notifies no thread.
                if not self._changed.wait(0.1) and time.monotonic() > deadline:
                    break
        else:
            self._changed.notify_all()
        if self._verdict is not None:
            raise self._verdict

    def flush(self) -> None:
        """Wait until every result is stored, for as long as the database is away.

        Raises:
            LeaseLostError: Another worker has the slot.
            DatabaseAwayError: The database was away for longer than the limit of patience.
        """
        with self._changed:
            self._is_urgent = True
            self._changed.notify_all()
            while self._results and isinstance(self._verdict, _NOT_FINAL):
                self._changed.wait()
            if self._verdict is not None and not isinstance(self._verdict, _NOT_FINAL):
                raise self._verdict

    def _decides_on(self, report: _Report) -> bool:
        return self._scores is not None and any(map(self._scores.decides_after, report.scores))

    def _run(self) -> None:
        next_heartbeat = next_report = 0.0
        announced: tuple[Lease | None, int | None] = (None, None)
        while not self._ended:
            with self._changed:
                results = self._await_work(next_heartbeat, next_report)
                lease, scores = self._lease, self._scores
                if results:
                    self._epoch, self._fold = results[-1].n_epochs, results[-1].fold
                doing = (lease, self._fold)
            is_due = time.monotonic() >= next_heartbeat
            try:
                if not self._is_companion and (is_due or doing != announced):
                    self._send_heartbeat(*doing)
                    announced = doing
                if lease is not None and (is_due or results):
                    self._report(lease, results, scores)
                if is_due and not self._is_companion:
                    # Here too, not only when a worker looks for work: otherwise a vanished worker's trial would wait.
                    reap_expired_leases(self._storage, lease_s=self._lease_s)
            except Exception as verdict:  # noqa: BLE001 - the training thread raises it
                self._record_verdict(lease, verdict)
            if results:
                self._drop_reported(lease, results)
                next_report = time.monotonic() + _INTERVAL_S
            if is_due:
                next_heartbeat = time.monotonic() + self._lease_s / 3
            if is_due or results:
                self._storage.close_idle_connections()

    def _await_work(self, next_heartbeat: float, next_report: float) -> list[_Report]:
        """Wait until something is due or changes; return the results to store now."""
        now = time.monotonic()
        if not self._results or not (self._is_urgent or now >= next_report):
            self._changed.wait(max(0.0, (min(next_heartbeat, next_report) if self._results else next_heartbeat) - now))
        is_time = self._is_urgent or time.monotonic() >= next_report
        return list(self._results) if is_time else []

    def _send_heartbeat(self, lease: Lease | None, fold: int | None) -> None:
        if lease is None:
            update_worker(self._storage, self._worker_id, state="waiting")
        else:
            update_worker(self._storage, self._worker_id, state="training", slot_id=lease.slot_id, fold=fold)

    def _report(self, lease: Lease, results: Sequence[_Report], scores: TrialScores | None) -> None:
        if scores is None:
            renew_lease(self._storage, lease, epoch=self._epoch, lease_s=self._lease_s)
            return
        measured = {step: score for report in results for step, score in report.scores.items()}
        fresh = scores.unstored(measured)
        try:
            renew_lease(
                self._storage,
                lease,
                epoch=self._epoch,
                lease_s=self._lease_s,
                trial_id=scores.trial_id,
                scores=fresh,
                restarted=scores.replaces(fresh),
            )
        except TimeOverError:
            # They are stored.
            scores.remember(fresh)
            raise
        scores.remember(fresh)
        if any(scores.decides_after(epoch) and scores.should_prune(epoch) for epoch in measured):
            raise PrunedError

    def _record_verdict(self, lease: Lease | None, verdict: Exception) -> None:
        with self._changed:
            if lease is not None and self._lease is lease and not isinstance(self._verdict, LeaseLostError):
                self._verdict = verdict
            self._changed.notify_all()
        if isinstance(verdict, DatabaseAwayError):
            _log.warning("The database did not come back in time.")

    def _drop_reported(self, lease: Lease | None, results: Sequence[_Report]) -> None:
        with self._changed:
            if self._lease is lease:
                for _ in results:
                    self._results.popleft()
                self._is_urgent = self._is_urgent and bool(self._results)
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
