"""Limits besides the budget: a search that has taken its time or found nothing new ends, and so do finals.

The clock of a study is the database's. It starts with the first slot that is claimed of the search or of the finals,
and is paused while the study is stopped. When the time is over, no slot that waits is begun; what is in training ends
with its epoch, see `tuner.studies.slots.leases.TimeOverError`.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from tuner.objectives import Measure, Objective
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import database_time, slots, studies
from tuner.studies.database.storage import Storage
from tuner.studies.stored_points import read_front

#: Columns of a study without a running clock.
NO_CLOCK = {"deadline_at": None, "time_left_s": None}


def begin_clock(limit_s: float | None) -> dict[str, float | None]:
    """Return the columns of a study whose search or finals may take this many seconds from their first claim on."""
    return {"deadline_at": None, "time_left_s": limit_s}


def pause_clock() -> dict[str, sa.ColumnElement[float]]:
    """Return the columns of a study that is stopped: the next claim after it is resumed starts its clock again."""
    left = studies.c.deadline_at - database_time()
    return {
        "time_left_s": sa.case(
            (studies.c.deadline_at.is_(None), studies.c.time_left_s), (left > 0, left), else_=sa.literal(0.0)
        ),
        "deadline_at": sa.null(),
    }


def is_time_over(stage: str, study_id: int) -> sa.ScalarSelect[bool]:
    """Return an expression for whether the time of the stage, of search or of finals, is over."""
    ended, state = (studies.c.search_ended, "searching") if stage == "search" else (studies.c.finals_ended, "finals")
    overdue = sa.and_(studies.c.state == state, studies.c.deadline_at < database_time())
    return (
        sa.select(sa.case((ended == "timeout", 1), (overdue, 1), else_=0))
        .where(studies.c.id == study_id)
        .scalar_subquery()
    )


def end_by_time(connection: sa.Connection, study_id: int) -> bool:
    """Begin no more slots of a study whose time is over; nothing happens when it has time left, or none to keep.

    Returns:
        False when another transaction has locked the study; this one does not wait for it.
    """
    locked = sa.select(studies.c.state, (studies.c.deadline_at < database_time()).label("is_over"))
    row = connection.execute(locked.where(studies.c.id == study_id).with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return False
    if row.is_over and row.state == "searching":
        _end_search(connection, study_id, "timeout")
    elif row.is_over and row.state == "finals":
        _drop(connection, slots.c.study_id == study_id, slots.c.stage != "search")
        ending = {"finals_ended": "timeout", **NO_CLOCK}
        connection.execute(sa.update(studies).where(studies.c.id == study_id).values(ending))
    return True


@retried
def end_overdue(storage: Storage, study_id: int) -> None:
    """Do the same in a transaction of its own; one that has locked the study leaves it to the next claim."""
    with storage.engine.begin() as connection:
        end_by_time(connection, study_id)


@retried
def end_search_without_progress(
    storage: Storage, study_id: int, *, patience: int, objective: Objective, others: Sequence[Measure] = ()
) -> bool:
    """End the search when its last `patience` finished trials are no better than one before; return whether it did.

    With others beside the objective a trial is better if it is on the Pareto front, and equals none that came before.

    Trials in training go on to their own end. With folds the best is one of the complete trials, as the others have a
    mean of fewer folds.
    """
    with storage.engine.begin() as connection:
        row = connection.execute(
            sa.select(studies.c.search_since, studies.c.definition[("data", "folds")].as_integer().label("folds"))
            .where(studies.c.id == study_id, studies.c.state == "searching", studies.c.search_ended.is_(None))
            .with_for_update()
        ).one_or_none()
        if row is None or _count_without_progress(connection, study_id, row, objective, others) < patience:
            return False
        _end_search(connection, study_id, "patience")
    return True


def _count_without_progress(
    connection: sa.Connection,
    study_id: int,
    study: sa.Row[tuple[float, int]],
    objective: Objective,
    others: Sequence[Measure],
) -> int:
    """Count the trials that finished after the best one, and since the search began or was extended."""
    finished = [slots.c.study_id == study_id, slots.c.stage == "search", slots.c.finished_at.is_not(None)]
    can_be_best = slots.c.result == "complete" if study.folds else slots.c.result != "failed"
    if others:
        front = read_front(connection, study_id, (objective, *others), has_folds=bool(study.folds))
        best_at = max(front.values(), default=None)
    else:
        best_first = slots.c.score.desc() if objective.direction == "maximize" else slots.c.score.asc()
        best_at = connection.scalar(
            sa.select(slots.c.finished_at)
            .where(*finished, can_be_best, slots.c.score.is_not(None))
            .order_by(best_first, slots.c.finished_at)
            .limit(1)
        )
    since = max(study.search_since or 0.0, best_at or 0.0)
    return connection.scalar(sa.select(sa.func.count()).where(*finished, slots.c.finished_at > since)) or 0


def _end_search(connection: sa.Connection, study_id: int, limit: str) -> None:
    """Drop the slots that no worker has begun; a trial that a vanished worker has begun is ended by the next one."""
    _drop(connection, slots.c.study_id == study_id, slots.c.stage == "search", slots.c.trial_id.is_(None))
    connection.execute(sa.update(studies).where(studies.c.id == study_id).values({"search_ended": limit, **NO_CLOCK}))


def _drop(connection: sa.Connection, *of: sa.ColumnElement[bool]) -> None:
    """Remove waiting slots, but for those that a worker claims at this moment."""
    waiting = sa.select(slots.c.id).where(slots.c.state == "waiting", *of).with_for_update(skip_locked=True)
    connection.execute(sa.delete(slots).where(slots.c.id.in_(waiting)))
