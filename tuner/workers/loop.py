"""A worker: claim a slot, do its work, store the outcome, take the next one."""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.artifacts import ArtifactStore
from tuner.finals.jobs import JOBS, JobContext, failed_outcome
from tuner.finals.planning import advance_study
from tuner.studies.fleet import register_worker, update_worker
from tuner.studies.lifecycle import Study, find_studies, find_study, stop_study
from tuner.studies.schema import slots
from tuner.studies.slots import (
    Lease,
    LeaseLostError,
    StudyStoppedError,
    claim_slot,
    end_slot,
    reap_expired_leases,
    release_slot,
)
from tuner.studies.storage import Storage
from tuner.studies.trials import close_ended_trials
from tuner.training.history import EpochResult
from tuner.training.session import release_memory
from tuner.workers.failures import MAX_FAILURES_IN_A_ROW, counts_towards_stopping, describe_failure
from tuner.workers.heartbeat import Heartbeat
from tuner.workers.interruptions import INTERRUPTIONS, DrainedError
from tuner.workers.trial import run_trial

_log = logging.getLogger(__name__)

#: Seconds between looks for work: the first, and the longest after looking in vain for a while.
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.5, 4.0


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What a worker works for, and where."""

    #: Names of studies; none means every study there is or will be.
    studies: Sequence[str]
    device: str
    data_dir: Path
    artifacts: ArtifactStore
    #: End when all studies are done or stopped, instead of waiting for more.
    until_done: bool


class Worker:
    """One process' loop. `drain` may be called from a signal handler."""

    def __init__(self, storage: Storage, settings: WorkerSettings) -> None:
        self.id = uuid.uuid4().hex
        self._storage = storage
        self._settings = settings
        self._heartbeat = Heartbeat(storage, self.id)
        self._draining = threading.Event()
        self._lease: Lease | None = None

    def drain(self) -> None:
        """Ask the worker to finish its epoch, give its slot back and end."""
        self._draining.set()

    def abandon(self) -> None:
        """Give the slot back at once; the epoch that is being trained is lost, those before it are not."""
        if self._lease is not None:
            release_slot(self._storage.engine, self._lease)

    def run(self) -> None:
        """Work until there is nothing left to do, or until drained.

        Raises:
            TunerError: The data cannot be read or the artifacts cannot be written here; the slot is given back.
        """
        register_worker(
            self._storage, worker_id=self.id, host=socket.gethostname(), device=self._settings.device, pid=os.getpid()
        )
        try:
            with self._heartbeat:
                self._work()
        finally:
            update_worker(self._storage, self.id, state="ended")

    def _work(self) -> None:
        wait_s = _SHORTEST_WAIT_S
        while not self._draining.is_set():
            lease = claim_slot(self._storage.engine, owner=self.id, study_ids=self._study_ids())
            if lease is not None:
                self._work_on(lease)
                wait_s = _SHORTEST_WAIT_S
            elif self._tidy_up():
                wait_s = _SHORTEST_WAIT_S
            elif self._settings.until_done and self._nothing_left():
                return
            else:
                self._draining.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _work_on(self, lease: Lease) -> None:
        study = find_study(self._storage, lease.study_name)
        self._lease = lease
        self._heartbeat.watch(lease)
        update_worker(self._storage, self.id, state="training", slot_id=lease.slot_id)
        context = JobContext(
            storage=self._storage,
            artifacts=self._settings.artifacts,
            data_dir=self._settings.data_dir,
            study=study,
            lease=lease,
            on_epoch=self._on_epoch,
        )
        try:
            outcome = _run(context)
            self._heartbeat.watch(None)
            end_slot(self._storage.engine, lease, outcome)
        except LeaseLostError as error:
            _log.warning("%s Dropped.", error)
        except (StudyStoppedError, DrainedError):
            self._give_back(lease)
        except INTERRUPTIONS:
            self._give_back(lease)
            raise
        else:
            close_ended_trials(self._storage)
            context.checkpoint.delete()
            self._stop_if_failing(study, outcome)
        finally:
            self._lease = None
            self._heartbeat.watch(None)
            release_memory()

    def _on_epoch(self, result: EpochResult) -> None:
        self._heartbeat.finish_epoch(result.epoch)
        if self._draining.is_set():
            raise DrainedError

    def _give_back(self, lease: Lease) -> None:
        self._heartbeat.watch(None)
        release_slot(self._storage.engine, lease)

    def _tidy_up(self) -> bool:
        """Finish what vanished workers left and plan what comes next; return whether there may be work now."""
        freed = reap_expired_leases(self._storage.engine)
        close_ended_trials(self._storage)
        planned = [advance_study(self._storage, study) for study in self._studies() if study.state != "done"]
        return bool(freed) or any(planned)

    def _nothing_left(self) -> bool:
        return all(study.state in {"done", "stopped"} for study in self._studies())

    def _studies(self) -> list[Study]:
        return find_studies(self._storage, self._settings.studies)

    def _study_ids(self) -> list[int] | None:
        if not self._settings.studies:
            return None
        return [study.id for study in self._studies()]

    def _stop_if_failing(self, study: Study, outcome: dict[str, Any]) -> None:
        if outcome["state"] != "failed":
            return
        last = (
            sa.select(slots.c.outcome)
            .where(slots.c.study_id == study.id, slots.c.finished_at.is_not(None))
            .order_by(slots.c.finished_at.desc())
            .limit(MAX_FAILURES_IN_A_ROW)
        )
        with self._storage.engine.connect() as connection:
            failures = [found.get("failure") for found in connection.scalars(last)]
        if len(failures) == MAX_FAILURES_IN_A_ROW and all(
            failure and counts_towards_stopping(failure["kind"]) for failure in failures
        ):
            reason = f"{MAX_FAILURES_IN_A_ROW} failures in a row, the last: {failures[0]['message']}"
            _log.error("study %r stops: %s", study.name, reason)
            stop_study(self._storage, study.id, reason=reason)


def _run(context: JobContext) -> dict[str, Any]:
    lease = context.lease
    started = time.monotonic()
    if lease.stage == "search":
        outcome = run_trial(context)
    else:
        try:
            outcome = JOBS[lease.stage](context)
        except INTERRUPTIONS:
            raise
        except Exception as error:  # noqa: BLE001 - a failed job must not keep the others from being done
            _log.warning("%s %d failed: %s", lease.stage, lease.position, error)
            outcome = failed_outcome(lease.stage, describe_failure(error))
    _log.info(
        "%s %s %d: %s in %.1f s",
        lease.study_name,
        lease.stage,
        lease.position,
        outcome["state"],
        time.monotonic() - started,
    )
    return outcome
