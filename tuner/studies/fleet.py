"""Workers as the database knows them, and how far studies are: what `tuner status` and the progress display show."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from optuna.storages._rdb.models import TrialIntermediateValueModel
from sqlalchemy.exc import IntegrityError

from tuner.studies.finals_plan import FinalsPlan, plan_finals
from tuner.studies.lifecycle import Study, StudyNotFoundError, find_present, list_names
from tuner.studies.outages import retried
from tuner.studies.records import StudyState
from tuner.studies.schema import database_time, slots, studies, workers
from tuner.studies.storage import Storage

#: Seconds after which a worker that gave no sign of life is shown as lost.
WORKER_LOST_AFTER_S = 60.0
#: Begins the state of a worker that a signal killed, whose number follows.
_KILLED = "killed by signal "
#: The rate is taken over this many of the last finished trials.
_RATE_TRIALS = 20


@dataclass(frozen=True, kw_only=True)
class WorkerRecord:
    """One worker process."""

    id: str
    host: str
    device: str
    pid: int
    #: `waiting`, `training`, `ended` or `lost`.
    state: str
    study: str | None
    #: `search`, `confirm`, `retrain` or `ensemble`.
    stage: str | None
    trial: int | None
    epoch: int | None
    last_seen_s: float
    #: Why it cannot work for some of its studies; None when it can.
    problem: str | None = None
    #: Of a confirmation or retraining: its number from 1, and whether a retraining's images are augmented.
    repeat: int | None = None
    augmented: bool | None = None


@dataclass(frozen=True, kw_only=True)
class StudyProgress:
    """How far one study is."""

    name: str
    state: StudyState
    budget: int
    complete: int
    pruned: int
    failed: int
    running: int
    waiting: int
    best_score: float | None
    #: Finished jobs of the finals, and all that there will be.
    finals_done: int
    finals_planned: int
    #: From the last finished trials; None before the second one.
    trials_per_hour: float | None
    #: Until the search is over; None while unknown.
    time_left_s: float | None
    #: Until the finals are over, once they have begun; None while unknown.
    finals_time_left_s: float | None
    stop_reason: str | None

    @property
    def finished(self) -> int:
        return self.complete + self.pruned + self.failed


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """All workers and all studies."""

    workers: Sequence[WorkerRecord]
    studies: Sequence[StudyProgress]

    @property
    def trials_per_hour(self) -> float | None:
        """The rates of all studies together; None while none is known."""
        rates = [study.trials_per_hour for study in self._searching if study.trials_per_hour is not None]
        return sum(rates) if rates else None

    @property
    def time_left_s(self) -> float | None:
        """Until the last search that runs is over or, where none does, the last finals; None while unknown."""
        searches = [study.time_left_s for study in self._searching]
        finals = [study.finals_time_left_s for study in self.studies if study.state == "finals"]
        return max((left for left in searches or finals if left is not None), default=None)

    @property
    def _searching(self) -> list[StudyProgress]:
        return [study for study in self.studies if study.state == "searching"]


def read_fleet(storage: Storage) -> Fleet:
    """Read what all workers do and how far all studies are."""
    return Fleet(workers=read_workers(storage), studies=[progress for _, progress in read_all_progress(storage)])


def read_all_progress(storage: Storage, names: Sequence[str] = ()) -> list[tuple[Study, StudyProgress]]:
    """Return how far the studies of these names are, or all; those that are not there, or no more, are left out."""
    found = []
    for study in find_present(storage, names):
        with suppress(StudyNotFoundError):
            found.append((study, read_progress(storage, study)))
    return found


@retried
def register_worker(storage: Storage, *, worker_id: str, host: str, device: str, pid: int) -> None:
    """Make the worker known, and forget those that ended or vanished a day ago."""
    with storage.engine.begin() as connection:
        forgotten = sa.or_(workers.c.last_seen_at < database_time() - 86_400, workers.c.id == worker_id)
        connection.execute(sa.delete(workers).where(forgotten))
        connection.execute(
            sa.insert(workers).values(
                id=worker_id,
                host=host,
                device=device,
                pid=pid,
                state="waiting",
                started_at=database_time(),
                last_seen_at=database_time(),
                in_touch_since=database_time() - storage.database.uninterrupted_s,
            )
        )


@retried
def update_worker(storage: Storage, worker_id: str, *, state: str, slot_id: int | None = None) -> None:
    """Note what the worker does, and that it lives; a slot that is gone with its study is left out."""
    sign = (
        sa.update(workers)
        .where(workers.c.id == worker_id)
        .values(
            state=state,
            slot_id=slot_id,
            last_seen_at=database_time(),
            in_touch_since=database_time() - storage.database.uninterrupted_s,
        )
    )
    try:
        with storage.engine.begin() as connection:
            connection.execute(sign)
    except IntegrityError:
        with storage.engine.begin() as connection:
            connection.execute(sign.values(slot_id=None))


@retried
def note_problem(storage: Storage, worker_id: str, problem: str | None) -> None:
    """Let `tuner status` say why the worker cannot work for some of its studies, or that it can."""
    with storage.engine.begin() as connection:
        connection.execute(sa.update(workers).where(workers.c.id == worker_id).values(problem=problem))


@retried
def note_kill(storage: Storage, worker_id: str, *, signal: int) -> None:
    """Remember by which signal a worker was killed; its pool alone sees that."""
    with storage.engine.begin() as connection:
        connection.execute(
            sa.update(workers).where(workers.c.id == worker_id).values(state=f"{_KILLED}{signal}", slot_id=None)
        )


@retried
def count_kills(storage: Storage, slot_id: int, *, signal: int, among_last: int) -> int:
    """Return how many of the workers that claimed the slot last, the present one left out, this signal has killed."""
    with storage.reader.connect() as connection:
        claimed: Sequence[str] = connection.scalar(sa.select(slots.c.workers).where(slots.c.id == slot_id)) or ()
        query = sa.select(sa.func.count()).where(
            workers.c.id.in_(claimed[:-1][-among_last:]), workers.c.state == f"{_KILLED}{signal}"
        )
        return connection.scalar(query) or 0


@retried
def read_workers(storage: Storage) -> list[WorkerRecord]:
    """Return the workers that have not ended, by host, device and pid."""
    query = (
        sa.select(
            workers,
            (database_time() - workers.c.last_seen_at).label("last_seen_s"),
            studies.c.name.label("study"),
            slots.c.stage,
            slots.c.trial_number,
            slots.c.job,
            slots.c.epoch,
        )
        .select_from(workers.outerjoin(slots, workers.c.slot_id == slots.c.id).outerjoin(studies))
        .where(workers.c.state != "ended", ~workers.c.state.startswith(_KILLED))
        .order_by(workers.c.host, workers.c.device, workers.c.pid)
    )
    with storage.reader.connect() as connection:
        rows = connection.execute(query).all()
    return [
        WorkerRecord(
            id=row.id,
            host=row.host,
            device=row.device,
            pid=row.pid,
            state="lost" if row.last_seen_s > WORKER_LOST_AFTER_S else row.state,
            study=row.study,
            stage=row.stage,
            trial=row.trial_number if row.stage == "search" else (row.job or {}).get("trial"),
            epoch=row.epoch,
            last_seen_s=max(0.0, row.last_seen_s),
            problem=row.problem,
            **_repeat_of(row.job),
        )
        for row in rows
    ]


@retried
def read_live_curves(storage: Storage) -> dict[str, list[tuple[int, float]]]:
    """Return epoch and validation accuracy of each epoch reported so far of what is being searched, by worker's id."""
    reported = TrialIntermediateValueModel
    query = (
        sa.select(workers.c.id, reported.step, reported.intermediate_value)
        .select_from(workers.join(slots, workers.c.slot_id == slots.c.id))
        .join(reported, reported.trial_id == slots.c.trial_id)
        .where(workers.c.state == "training", slots.c.stage == "search", slots.c.state == "leased")
        .where(reported.intermediate_value.is_not(None))
        .order_by(workers.c.id, reported.step)
    )
    curves: dict[str, list[tuple[int, float]]] = {}
    with storage.reader.connect() as connection:
        for worker_id, epoch, accuracy in connection.execute(query):
            curves.setdefault(worker_id, []).append((epoch, accuracy))
    return curves


@retried
def count_failures(storage: Storage) -> dict[str, dict[str, int]]:
    """Count failed trials and finals by study's name and kind of failure."""
    kind = slots.c.outcome[("failure", "kind")].as_string()
    query = (
        sa.select(studies.c.name, kind.label("kind"), sa.func.count().label("n"))
        .select_from(slots.join(studies))
        .where(slots.c.outcome["state"].as_string() == "failed")
        .group_by(studies.c.name, kind)
        .order_by(studies.c.name, sa.func.count().desc(), kind)
    )
    failures: dict[str, dict[str, int]] = {}
    with storage.reader.connect() as connection:
        for row in connection.execute(query):
            failures.setdefault(row.name, {})[row.kind or "unknown"] = row.n
    return failures


@retried
def read_epochs(storage: Storage, worker_ids: Sequence[str], *, finished_within_s: float) -> dict[int, int]:
    """Return the last reported epoch of each slot that these workers hold, or finished so lately."""
    query = sa.select(slots.c.id, slots.c.epoch, slots.c.workers).where(
        sa.or_(slots.c.state == "leased", slots.c.finished_at > database_time() - finished_within_s)
    )
    with storage.reader.connect() as connection:
        rows = connection.execute(query).all()
    return {row.id: row.epoch for row in rows if row.workers and row.workers[-1] in worker_ids}


@dataclass(frozen=True, kw_only=True)
class FinishedSlot:
    """A slot that has its outcome, in short."""

    id: int
    stage: str
    trial: int | None
    #: `complete`, `pruned` or `failed`.
    outcome: str
    epochs: int
    score: float | None
    test_accuracy: float | None
    #: Kind and message of the failure.
    failure: str | None
    message: str | None
    repeat: int | None
    augmented: bool | None


@retried
def list_finished(storage: Storage, study: Study) -> list[int]:
    """Return the ids of the slots that have their outcome, in the order in which they finished."""
    query = sa.select(slots.c.id).where(slots.c.study_id == study.id, slots.c.finished_at.is_not(None))
    with storage.reader.connect() as connection:
        return list(connection.scalars(query.order_by(slots.c.finished_at)))


@retried
def read_finished(storage: Storage, slot_ids: Collection[int]) -> list[FinishedSlot]:
    """Return the slots of these ids that have their outcome, in the order in which they finished."""
    outcome = slots.c.outcome
    query = (
        sa.select(
            slots.c.id,
            slots.c.stage,
            slots.c.epoch,
            slots.c.trial_number,
            slots.c.job,
            outcome["state"].as_string().label("outcome"),
            outcome["score"].as_float().label("score"),
            outcome["test_accuracy"].as_float().label("test_accuracy"),
            outcome[("failure", "kind")].as_string().label("failure"),
            outcome[("failure", "message")].as_string().label("message"),
            outcome["augmented"].as_boolean().label("augmented"),
        )
        .where(slots.c.id.in_(slot_ids), slots.c.finished_at.is_not(None))
        .order_by(slots.c.finished_at)
    )
    with storage.reader.connect() as connection:
        rows = connection.execute(query).all()
    return [
        FinishedSlot(
            id=row.id,
            stage=row.stage,
            trial=row.trial_number if row.stage == "search" else row.job.get("trial"),
            outcome=row.outcome or "complete",
            epochs=row.epoch,
            score=row.score,
            test_accuracy=row.test_accuracy,
            failure=row.failure,
            message=row.message,
            # A fit of a person's own may have taken none of what was asked for.
            **_repeat_of(row.job) | ({"augmented": False} if row.augmented is False else {}),
        )
        for row in rows
    ]


def _repeat_of(job: Mapping[str, Any] | None) -> dict[str, Any]:
    repeat = (job or {}).get("repeat")
    return {"repeat": None if repeat is None else repeat + 1, "augmented": (job or {}).get("augmented")}


@retried
def read_progress(storage: Storage, study: Study) -> StudyProgress:
    """Count the study's slots, in a few statements; the database looks at every outcome for it.

    Raises:
        StudyNotFoundError: It was deleted.
    """
    with storage.reader.connect() as connection:
        row = connection.execute(
            sa.select(database_time(), studies.c.state, studies.c.stop_reason, studies.c.budget).where(
                studies.c.uid == study.uid
            )
        ).one_or_none()
        if row is None:
            raise StudyNotFoundError(study.name, list_names(storage))
        now, state, stop_reason, budget = row
        counts = connection.execute(_counts(study)).all()
        search = sa.and_(slots.c.study_id == study.id, slots.c.stage == "search")
        finished_at = list(
            connection.scalars(
                sa.select(slots.c.finished_at)
                .where(search, slots.c.finished_at.is_not(None))
                .order_by(slots.c.finished_at.desc())
                .limit(_RATE_TRIALS)
            )
        )
        first_start = connection.scalar(sa.select(sa.func.min(slots.c.started_at)).where(search))
        jobs = connection.execute(_jobs(study)).all() if any(row.stage != "search" for row in counts) else ()
    trials = [row for row in counts if row.stage == "search"]
    left = _sum(trials, state="leased") + _sum(trials, state="waiting")
    rate = _trials_per_hour(finished_at, first_start, now if left else None)
    complete, pruned = _sum(trials, outcome="complete"), _sum(trials, outcome="pruned")
    plan = plan_finals(study.definition, n_candidates=complete + pruned)
    return StudyProgress(
        name=study.name,
        state=state,
        budget=budget,
        complete=complete,
        pruned=pruned,
        failed=_sum(trials, outcome="failed"),
        running=_sum(trials, state="leased"),
        waiting=_sum(trials, state="waiting"),
        best_score=max((row.best for row in trials if row.best is not None), default=None),
        finals_done=sum(job.state == "done" for job in jobs),
        finals_planned=max(len(jobs), plan.n_jobs) if jobs and state == "finals" else len(jobs),
        trials_per_hour=rate,
        time_left_s=0.0 if not left else left / rate * 3600 if rate else None,
        finals_time_left_s=_finals_time_left(jobs, plan, now) if state == "finals" else None,
        stop_reason=stop_reason,
    )


def _finals_time_left(jobs: Sequence[Any], plan: FinalsPlan, now: float) -> float | None:
    """Return the seconds until the jobs are done, those not yet planned included, by the epochs trained lately."""
    epochs = {"confirm": plan.confirmation_epochs, "retrain": plan.retraining_epochs}
    left: int = sum(max(0, epochs.get(job.stage, 0) - job.epoch) for job in jobs if job.state != "done")
    if all(job.stage == "confirm" for job in jobs):
        left += plan.retrainings * plan.retraining_epochs
    begun = [job for job in jobs if job.started_at is not None and job.stage in epochs][-_RATE_TRIALS:]
    trained = sum(job.epoch for job in begun)
    if not trained:
        return None
    seconds_an_epoch: float = (now - min(job.started_at for job in begun)) / trained
    return left * seconds_an_epoch


def _counts(study: Study) -> sa.Select[Any]:
    outcome = slots.c.outcome["state"].as_string()
    return (
        sa.select(
            slots.c.stage,
            slots.c.state,
            outcome.label("outcome"),
            sa.func.count().label("n"),
            sa.func.max(slots.c.outcome["score"].as_float()).label("best"),
        )
        .where(slots.c.study_id == study.id)
        .group_by(slots.c.stage, slots.c.state, outcome)
    )


def _jobs(study: Study) -> sa.Select[Any]:
    return (
        sa.select(slots.c.stage, slots.c.state, slots.c.epoch, slots.c.started_at)
        .where(slots.c.study_id == study.id, slots.c.stage != "search")
        .order_by(slots.c.id)
    )


def _sum(rows: Sequence[Any], **wanted: str) -> int:
    return sum(row.n for row in rows if all(getattr(row, key) == value for key, value in wanted.items()))


def _trials_per_hour(finished_at: Sequence[float], first_start: float | None, now: float | None) -> float | None:
    """Return the rate over the last finished trials, newest first; `now` is None when none is left to wait for."""
    if not finished_at or first_start is None:
        return None
    since = first_start if len(finished_at) < _RATE_TRIALS else finished_at[-1]
    return 3600 * len(finished_at) / max((now or finished_at[0]) - since, 1e-3)
