"""A worker's main loop: claim a slot, run its job, store the outcome, claim the next slot."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch, FoldProgress
from tuner.jobs.context import JobContext, checkpoints_folder
from tuner.jobs.failures import describe_deaths
from tuner.jobs.finals.planning import advance_study
from tuner.jobs.interruptions import DrainedError, LetGoError, is_interruption
from tuner.jobs.study.data import DataPlaces, DataUnavailableError
from tuner.jobs.table import asks_for_several, count_companions, find_reason_to_work_alone, run_job, run_jobs
from tuner.studies.companions import claim_companions
from tuner.studies.database.storage import Storage
from tuner.studies.fleet import count_kills, note_problem, register_worker, update_worker
from tuner.studies.lifecycle import (
    Study,
    StudyNotFoundError,
    find_present,
    find_study_by_uid,
    list_names,
)
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, LeaseLostError, StudyStoppedError, end_slot, is_over, release_slot
from tuner.studies.slots.outcomes import Outcome, failed_outcome
from tuner.studies.slots.reaping import reap_expired_leases
from tuner.studies.trials import close_ended_trials, end_orphans, mark_infeasible
from tuner.training.devices import DeviceLostError
from tuner.training.populations.train import UnlikeMembersError
from tuner.training.session import release_memory
from tuner.workers.dashboard_publisher import DashboardPublisher
from tuner.workers.lifetime import Lifetime
from tuner.workers.reporter import Reporter
from tuner.workers.slot_ends import begin_next_stages, end_if_out_of_patience, remove_folder, stop_if_failing
from tuner.workers.unserved import Unserved

_log = logging.getLogger(__name__)

#: Seconds between two looks for work: at first, and at most after a while without work.
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.5, 4.5
#: Looks without work between two searches for the remains of vanished workers, when the wait is the longest.
_LOOKS_PER_TIDYING = 4
#: A slot fails after this many deaths of its workers in a row without a finished epoch.
MAX_ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """The studies that a worker works for, and the locations of its data."""

    #: A new UUID, because host and pid do not identify a worker.
    worker_id: str
    #: Names of studies; empty means all studies, also later ones.
    studies: Sequence[str]
    device: str
    #: Where it runs, for people.
    host: str = field(default_factory=socket.gethostname)
    places: DataPlaces
    artifacts: ArtifactStore
    #: End when all studies are done or stopped, instead of waiting for more work.
    until_done: bool
    #: Seconds after which a lease expires unless it is renewed.
    lease_s: float
    #: End after at most this number of slots, so that a new process continues, see `Lifetime`; None: never.
    max_slots: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Held:
    """A slot that the worker works on."""

    context: JobContext
    #: Renews its lease.
    reporter: Reporter


class Worker:
    """The main loop of one process. Other threads may call `drain` and `abandon`."""

    def __init__(self, storage: Storage, settings: WorkerSettings) -> None:
        self.id = settings.worker_id
        self._storage = storage
        self._settings = settings
        self._reporter = Reporter(storage, self.id, lease_s=settings.lease_s)
        self._publisher = DashboardPublisher(storage, settings.artifacts)
        self._unserved = Unserved()
        self._draining = threading.Event()
        #: Those that it holds; several where it trains repeats as one program.
        self._leases: Sequence[Lease] = ()
        #: Identities of studies, and stages, whose slots were found to be worked on one by one.
        self._alone: set[tuple[str, str]] = set()

    def drain(self) -> None:
        """Ask the worker to finish its epoch, release its slot and end."""
        self._draining.set()

    def abandon(self) -> None:
        """Release its slots at once; the current epoch is lost, earlier ones are not."""
        self._storage.database.patience_s = 0.0
        for lease in self._leases:
            release_slot(self._storage, lease)

    def run(self) -> bool:
        """Work until there is nothing left to do, until drained, or until its `Lifetime` is over.

        Returns:
            Whether a new process should continue.

        Raises:
            TunerError: The artifacts cannot be written, or the only unfinished studies are those whose data cannot be
                read on this machine; the slot has been released.
        """
        register_worker(
            self._storage, worker_id=self.id, host=self._settings.host, device=self._settings.device, pid=os.getpid()
        )
        try:
            with self._reporter:
                return self._work()
        finally:
            update_worker(self._storage, self.id, state="ended")

    def _work(self) -> bool:
        wait_s = _SHORTEST_WAIT_S
        n_looks_without_work = 0
        lifetime = Lifetime(max_slots=self._settings.max_slots)
        while not self._draining.is_set():
            if lifetime.is_over():
                return True
            lease = self._look_for_work()
            if lease is not None:
                self._work_on(lease, lifetime)
                wait_s, n_looks_without_work = _SHORTEST_WAIT_S, 0
                continue
            studies = self._find_studies()
            is_time = wait_s < _LONGEST_WAIT_S or n_looks_without_work % _LOOKS_PER_TIDYING == 0
            n_looks_without_work += 1
            if is_time and self._tidy_up(studies):
                continue
            if self._has_nothing_left(studies):
                self._remove_checkpoints(studies)
                return False
            self._storage.close_idle_connections()
            self._draining.wait(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        return False

    def _find_studies(self) -> list[Study]:
        """Return the worker's studies; some of those that it was started for may be deleted, but not all.

        Raises:
            StudyNotFoundError: All of them are deleted.
        """
        names = self._settings.studies
        studies = find_present(self._storage, names)
        if names and not studies:
            raise StudyNotFoundError(names[0], list_names(self._storage))
        return studies

    def _has_nothing_left(self, studies: Sequence[Study]) -> bool:
        """Return whether the worker should end.

        Raises:
            DataUnavailableError: The worker should end, because it cannot read the data of any remaining study.
        """
        left = [study for study in studies if study.state not in {"done", "stopped"}]
        if self._settings.until_done:
            self._unserved.raise_if_all(left)
        elif self._settings.studies:
            self._unserved.raise_if_all(studies)
        return self._settings.until_done and not left

    def _look_for_work(self) -> Lease | None:
        def claim() -> Lease | None:
            return claim_slot(
                self._storage,
                owner=self.id,
                study_names=self._settings.studies,
                except_for=self._unserved.uids(),
                lease_s=self._settings.lease_s,
            )

        lease = claim()
        if lease is None and reap_expired_leases(self._storage, lease_s=self._settings.lease_s):
            return claim()
        return lease

    def _work_on(self, lease: Lease, lifetime: Lifetime) -> None:
        study = find_study_by_uid(self._storage, lease.study_uid)
        if study is None:
            _log.warning("Study %r was deleted: its slot is dropped.", lease.study_name)
            return
        self._leases = [lease]
        held = [self._hold(study, lease, self._reporter)]
        try:
            with ExitStack() as reporters:
                held += self._hold_companions(study, held[0], reporters)
                if len(held) > 1:
                    self._work_on_several(study, held)
                else:
                    self._end(study, held[0], lambda: self._run(held[0].context))
        finally:
            self._leases = ()
            for one in held:
                one.reporter.let_go()
            release_memory()
            for _ in held:
                lifetime.end_slot()

    def _hold(self, study: Study, lease: Lease, reporter: Reporter) -> _Held:
        reporter.hold(lease)
        context = JobContext(
            storage=self._storage,
            artifacts=self._settings.artifacts,
            places=self._settings.places,
            study=study,
            lease=lease,
            on_epoch=partial(self._on_epoch, reporter),
            on_fold=self._on_fold,
            on_scores=reporter.pass_scores_to,
        )
        return _Held(context=context, reporter=reporter)

    def _hold_companions(self, study: Study, held: _Held, reporters: ExitStack) -> list[_Held]:
        """Lease slots whose work may be done together with that of one that is held, if there are any."""
        lease = held.context.lease
        if (study.uid, lease.stage) in self._alone:
            return []
        if (reason := find_reason_to_work_alone(held.context)) is not None:
            if asks_for_several(held.context):
                self._note_alone(study, lease, reason)
            return []
        most = count_companions(held.context)
        leases = claim_companions(self._storage, lease, most=most, lease_s=self._settings.lease_s)
        self._leases = [lease, *leases]
        return [
            self._hold(
                study,
                companion,
                reporters.enter_context(
                    Reporter(self._storage, self.id, lease_s=self._settings.lease_s, is_companion=True)
                ),
            )
            for companion in leases
        ]

    def _work_on_several(self, study: Study, held: Sequence[_Held]) -> None:
        """Do the work of several slots at once; each ends as if it were worked on alone."""
        started = time.monotonic()
        ends: Sequence[Outcome | Exception]
        try:
            ends = run_jobs([one.context for one in held])
        except (UnlikeMembersError, LeaseLostError) as reason:
            _log.info("Letting go of %d slots: %s", len(held), reason)
            if isinstance(reason, UnlikeMembersError):
                self._note_alone(study, held[0].context.lease, str(reason))
            # Claimed anew, a slot knows the trial that was opened for it.
            for one in held:
                self._release(one)
            return
        except Exception as error:
            if not is_interruption(error):
                raise
            ends = [error] * len(held)
        stage, duration_s = held[0].context.lease.stage, time.monotonic() - started
        _log.info("%s %s: %d slots at once in %.1f s", study.name, stage, len(held), duration_s)
        errors: list[Exception] = []
        for one, end in zip(held, ends, strict=True):
            try:
                self._end(study, one, partial(_return_or_raise, end))
            except Exception as error:  # noqa: BLE001 - raised when all have ended
                errors.append(error)
        if errors:
            raise errors[0]

    def _note_alone(self, study: Study, lease: Lease, reason: str) -> None:
        """Work on the slots of this stage one by one from here on, and say why."""
        self._alone.add((study.uid, lease.stage))
        _log.warning("%s: slots of the stage %s are worked on one by one: %s", study.name, lease.stage, reason)

    def _end(self, study: Study, held: _Held, work: Callable[[], Outcome]) -> None:
        """Do the work of a slot, store its outcome, and begin what follows from it; or let go of the slot."""
        context, lease = held.context, held.context.lease
        try:
            outcome = work()
            # Optuna accepts no results for a trial that has ended.
            held.reporter.flush()
            held.reporter.let_go()
            end_slot(self._storage, lease, outcome)
        except LeaseLostError as error:
            _log.warning("%s This worker drops it.", error)
            held.reporter.let_go()
            self._remove_files_of_lost(context)
        except (StudyStoppedError, DrainedError, LetGoError):
            self._release(held)
        except DataUnavailableError as error:
            self._release(held)
            self._note_unserved(study, error)
        except DeviceLostError:
            # This slot may have caused the device's failure: the attempt counts.
            self._release(held, is_attempt=True)
            raise
        except Exception as error:
            if is_interruption(error):
                self._release(held)
            raise
        else:
            close_ended_trials(self._storage)
            remove_folder(context.artifacts, context.checkpoint_folder)
            self._note_served(study)
            stop_if_failing(self._storage, study, outcome)
            end_if_out_of_patience(self._storage, study, lease)
            begin_next_stages(self._storage, self._settings.studies)
            self._publisher.publish(study)

    def _remove_files_of_lost(self, context: JobContext) -> None:
        """Remove this worker's files of a slot that it has lost, if no other worker needs them."""
        if find_study_by_uid(self._storage, context.study.uid) is None:
            # The study was deleted before this worker wrote its last files.
            remove_folder(context.artifacts, context.study.folder)
        elif is_over(self._storage, context.lease):
            # Before it is over, the next worker resumes from the checkpoint.
            remove_folder(context.artifacts, context.checkpoint_folder)

    def _note_unserved(self, study: Study, error: DataUnavailableError) -> None:
        _log.warning("Leaving study %r to other workers: %s", study.name, error)
        self._unserved.add(study, error)
        note_problem(self._storage, self.id, self._unserved.describe())

    def _note_served(self, study: Study) -> None:
        if self._unserved.discard(study):
            note_problem(self._storage, self.id, self._unserved.describe())

    def _on_epoch(self, reporter: Reporter, result: Epoch) -> None:
        reporter.finish_epoch(result)
        self._leave_if_draining()

    def _on_fold(self, progress: FoldProgress) -> None:
        self._reporter.report_fold(progress)
        self._leave_if_draining()

    def _leave_if_draining(self) -> None:
        if self._draining.is_set():
            raise DrainedError

    def _release(self, held: _Held, *, is_attempt: bool = False) -> None:
        if not self._storage.database.is_lost:
            with suppress(LeaseLostError):
                held.reporter.flush()
        held.reporter.let_go()
        release_slot(self._storage, held.context.lease, is_attempt=is_attempt)

    def _tidy_up(self, studies: Sequence[Study]) -> bool:
        """Finish the work of vanished workers and plan the next stage; return whether there may be new slots."""
        close_ended_trials(self._storage)
        end_orphans(self._storage)
        planned = [advance_study(self._storage, study) for study in studies if study.state != "done"]
        for study in studies:
            self._publisher.publish(study)
        return any(planned)

    def _remove_checkpoints(self, studies: Sequence[Study]) -> None:
        """Remove the checkpoints of finished studies, left by workers that died after storing an outcome."""
        for study in studies:
            if study.state == "done":
                remove_folder(self._settings.artifacts, checkpoints_folder(study))

    def _run(self, context: JobContext) -> Outcome:
        lease = context.lease
        started = time.monotonic()
        outcome = self._give_up(context) if lease.attempts > MAX_ATTEMPTS else run_job(context)
        duration_s = time.monotonic() - started
        _log.info("%s %s %d: %s in %.1f s", lease.study_name, lease.stage, lease.position, outcome.state, duration_s)
        return outcome

    def _give_up(self, context: JobContext) -> Outcome:
        """Return the outcome of a slot whose workers died repeatedly."""
        lease = context.lease
        n_deaths = lease.attempts - 1
        n_kills = count_kills(self._storage, lease.slot_id, signal=signal.SIGKILL, among_last=n_deaths)
        failure = describe_deaths(n_deaths, n_kills=n_kills)
        if failure.kind == "out_of_memory":
            # Infeasible, not only failed, so that samplers avoid this region.
            mark_infeasible(self._storage, context.study, lease, "out_of_memory")
        return failed_outcome(lease.stage, failure)


def _return_or_raise(end: Outcome | Exception) -> Outcome:
    if isinstance(end, Exception):
        raise end
    return end
