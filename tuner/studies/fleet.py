"""Workers as the database records them, and the fleet of all workers and studies that `tuner status` shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from tuner.studies.database.contact import ask_contact
from tuner.studies.database.optuna_tables import CURVES
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import database_time, slots, studies, workers
from tuner.studies.database.storage import Storage
from tuner.studies.progress import StudyProgress, read_all_progress
from tuner.studies.records.parts import part_of
from tuner.studies.slots.leases import release_leased
from tuner.studies.slots.outcomes import Stage
from tuner.studies.slots.stored_outcomes import read_job

#: Seconds after its last heartbeat from which a worker is shown as lost.
WORKER_LOST_AFTER_S = 60.0
#: Begins the state of a worker that was killed by a signal; the signal's number follows.
_KILLED = "killed by signal "


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
    stage: Stage | None
    trial: int | None
    #: Epochs that the slot has trained; with folds, those of all folds together.
    epoch: int | None
    last_seen_s: float
    #: Why it cannot work for some of its studies; None when it can.
    problem: str | None = None
    #: Of a confirmation or retraining: its number from 1, and whether a retraining's images are augmented.
    repeat: int | None = None
    augmented: bool | None = None
    #: Of a trial or confirmation in a study with folds: the fold that is trained, from 1, and how many there are.
    fold: int | None = None
    folds: int | None = None
    #: Whether a retraining keeps the validation images out, for its curve alone.
    for_curve: bool = False


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
        """Seconds until all running searches are over, or all finals when no search runs; None while unknown."""
        searches = [study.time_left_s for study in self._searching]
        finals = [study.finals_time_left_s for study in self.studies if study.state == "finals"]
        return max((left for left in searches or finals if left is not None), default=None)

    @property
    def _searching(self) -> list[StudyProgress]:
        return [study for study in self.studies if study.state == "searching"]


def read_fleet(storage: Storage) -> Fleet:
    """Read what all workers do and how far all studies are."""
    return Fleet(workers=read_workers(storage), studies=[progress for _, progress in read_all_progress(storage)])


@retried
def register_worker(storage: Storage, *, worker_id: str, host: str, device: str, pid: int) -> None:
    """Add the worker, and remove those that were last seen a day ago."""
    contact = ask_contact(storage)
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
                in_touch_since=contact.began_at,
            )
        )


@retried
def update_worker(
    storage: Storage, worker_id: str, *, state: str, slot_id: int | None = None, fold: int | None = None
) -> None:
    """Store what the worker does, and its heartbeat; a slot that was deleted with its study is left out."""
    sign = (
        sa.update(workers)
        .where(workers.c.id == worker_id)
        .values(
            state=state,
            slot_id=slot_id,
            fold=fold,
            last_seen_at=database_time(),
            in_touch_since=ask_contact(storage).began_at,
        )
    )
    try:
        with storage.engine.begin() as connection:
            connection.execute(sign)
    except IntegrityError:
        with storage.engine.begin() as connection:
            connection.execute(sign.values(slot_id=None, fold=None))


@retried
def note_problem(storage: Storage, worker_id: str, problem: str | None) -> None:
    """Let `tuner status` say why the worker cannot work for some of its studies, or that it can."""
    with storage.engine.begin() as connection:
        connection.execute(sa.update(workers).where(workers.c.id == worker_id).values(problem=problem))


@retried
def note_kill(storage: Storage, worker_id: str, *, signal: int) -> None:
    """Store by which signal a worker was killed; only its pool sees that."""
    with storage.engine.begin() as connection:
        connection.execute(
            sa.update(workers).where(workers.c.id == worker_id).values(state=f"{_KILLED}{signal}", slot_id=None)
        )


@retried
def release_placed(storage: Storage, name: str) -> int:
    """Make the slots wait again of workers that a scheduler has placed under this name; return how many there were.

    The workers are recorded as ended: the scheduler has one worker of a name, and starts another one.
    """
    of_name = sa.and_(workers.c.host.startswith(f"{name}@", autoescape=True), workers.c.state != "ended")
    with storage.engine.begin() as connection:
        ids = connection.scalars(sa.select(workers.c.id).where(of_name)).all()
        connection.execute(sa.update(workers).where(workers.c.id.in_(ids)).values(state="ended", slot_id=None))
        return connection.execute(release_leased(slots.c.owner.in_(ids))).rowcount


@retried
def count_kills(storage: Storage, slot_id: int, *, signal: int, among_last: int) -> int:
    """Count the workers killed by this signal among the last that claimed the slot before the present one."""
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
            studies.c.definition,
            slots.c.stage,
            slots.c.trial_number,
            slots.c.job,
            slots.c.epoch,
            studies.c.definition[("data", "folds")].as_integer().label("folds"),
        )
        .select_from(workers.outerjoin(slots, workers.c.slot_id == slots.c.id).outerjoin(studies))
        .where(workers.c.state != "ended", ~workers.c.state.startswith(_KILLED))
        .order_by(workers.c.host, workers.c.device, workers.c.pid)
    )
    with storage.reader.connect() as connection:
        return [_worker_record(row) for row in connection.execute(query)]


def _worker_record(row: Any) -> WorkerRecord:
    part = None
    if row.stage is not None:
        part = part_of(row.stage, read_job(row.stage, row.job), row.trial_number, row.definition)
    return WorkerRecord(
        id=row.id,
        host=row.host,
        device=row.device,
        pid=row.pid,
        state="lost" if row.last_seen_s > WORKER_LOST_AFTER_S else row.state,
        study=row.study,
        stage=row.stage,
        trial=part.trial if part else None,
        epoch=row.epoch,
        last_seen_s=max(0.0, row.last_seen_s),
        problem=row.problem,
        repeat=part.repeat if part else None,
        augmented=part.augmented if part else None,
        fold=row.fold,
        folds=row.folds if row.stage in {"search", "confirm"} else None,
        for_curve=part.for_curve if part else False,
    )


@retried
def read_live_curves(storage: Storage) -> dict[str, list[tuple[int, float]]]:
    """Return number and score of each epoch reported so far of what is being searched, by worker's id."""
    reported = CURVES.c
    query = (
        sa.select(workers.c.id, reported.step, reported.intermediate_value)
        .select_from(workers.join(slots, workers.c.slot_id == slots.c.id))
        .join(CURVES, reported.trial_id == slots.c.trial_id)
        .where(workers.c.state == "training", slots.c.stage == "search", slots.c.state == "leased")
        .where(reported.intermediate_value.is_not(None))
        .order_by(workers.c.id, reported.step)
    )
    curves: dict[str, list[tuple[int, float]]] = {}
    with storage.reader.connect() as connection:
        for worker_id, epoch, score in connection.execute(query):
            curves.setdefault(worker_id, []).append((epoch, score))
    return curves


@retried
def read_epochs(storage: Storage, worker_ids: Sequence[str], *, finished_within_s: float) -> dict[int, int]:
    """Return the last reported epoch of each slot that these workers hold, or finished within these seconds."""
    query = sa.select(slots.c.id, slots.c.epoch, slots.c.workers).where(
        sa.or_(slots.c.state == "leased", slots.c.finished_at > database_time() - finished_within_s)
    )
    with storage.reader.connect() as connection:
        rows = connection.execute(query).all()
    return {row.id: row.epoch for row in rows if row.workers and row.workers[-1] in worker_ids}
