"""Whose turn it is: the order in which studies get the workers that they share.

The study of the highest priority comes first; among equals the one with the fewest workers per weight, then the oldest.
A study with `max_workers` workers gets no more, however many ask at the same moment. What counts are those that hold a
lease; one may hold several, see `companions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from tuner.studies.database.schema import database_time, slots, studies

#: Studies that give out slots.
RUNNING = studies.c.state.in_(["searching", "finals"])


#: Whether a study's number of leased slots is limited, or its clock is still to be started.
_NEEDS_LOCK = sa.or_(studies.c.max_workers.is_not(None), studies.c.time_left_s.is_not(None))


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A study that has a waiting slot and may lease it."""

    study_id: int
    name: str
    uid: str
    #: Whether its time is over: it gives out no slot before `tuner.studies.slots.limits.end_by_time`.
    is_over: bool
    #: Whether its number of workers is limited, or its clock is still to be started: its row must be locked.
    needs_lock: bool


def list_turns(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> Sequence[Turn]:
    """Return the running studies, among those that are wanted, that may lease another slot, in the order of turns.

    It locks nothing.
    """
    return [
        Turn(study_id=row.id, name=row.name, uid=row.uid, is_over=bool(row.is_over), needs_lock=bool(row.needs_lock))
        for row in connection.execute(select_turns(wanted))
    ]


def select_turns(wanted: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return the statement of `list_turns`: each study costs looks into an index, whatever the number of its slots."""
    return _TURNS.where(wanted)


def still_unlimited(study_id: sa.BindParameter[int]) -> sa.ColumnElement[bool]:
    """Return the condition that a study which was listed without a limit has none at the moment of the claim either.

    `tuner study set` may set `max_workers` between the two: what it sets then counts the slots that were leased before.
    """
    unlimited = sa.select(studies.c.id).where(studies.c.id == study_id, RUNNING, sa.not_(_NEEDS_LOCK))
    return sa.exists(unlimited)


def take_turn(connection: sa.Connection, turn: Turn) -> Literal["taken", "busy", "full"]:
    """Lock the study's row until the transaction ends, start its clock, and say whether it may lease another slot.

    A transaction must not lock a second study: two that wait for each other's would never end. Nor does it wait for one
    that is `busy`, which may be a worker that was stopped in the middle.
    """
    # In a statement of its own: the count that follows then sees what others have claimed until now.
    locked = sa.select(studies.c.max_workers, studies.c.time_left_s).where(studies.c.id == turn.study_id, RUNNING)
    row = connection.execute(locked.with_for_update(key_share=True, skip_locked=True)).one_or_none()
    if row is None:
        return "busy"
    if row.max_workers is not None:
        leased = connection.scalar(sa.select(_count_workers(turn.study_id)))
        if leased is None or leased >= row.max_workers:
            return "full"
    if row.time_left_s is not None:
        started = {"deadline_at": database_time() + row.time_left_s, "time_left_s": None}
        connection.execute(sa.update(studies).where(studies.c.id == turn.study_id).values(started))
    return "taken"


def _count_workers(study_id: int | sa.Column[int]) -> sa.ScalarSelect[int]:
    leased = sa.select(sa.func.count(slots.c.owner.distinct()))
    return leased.where(slots.c.study_id == study_id, slots.c.state == "leased").scalar_subquery()


def _all_turns() -> sa.Select[Any]:
    # The first waiting slot instead of EXISTS, which Postgres may answer by reading all waiting slots.
    of_study = slots.c.study_id == studies.c.id
    waits = sa.select(slots.c.id).where(of_study, slots.c.state == "waiting").order_by(slots.c.id).limit(1)
    leased = _count_workers(studies.c.id)
    return (
        sa.select(
            studies.c.id,
            studies.c.name,
            studies.c.uid,
            sa.func.coalesce(studies.c.deadline_at < database_time(), sa.false()).label("is_over"),
            _NEEDS_LOCK.label("needs_lock"),
        )
        .where(RUNNING, waits.scalar_subquery().is_not(None))
        .where(sa.or_(studies.c.max_workers.is_(None), leased < studies.c.max_workers))
        .order_by(studies.c.priority.desc(), leased / studies.c.weight, studies.c.id)
    )


#: Built once: putting it together takes about as long as the database takes to answer it.
_TURNS = _all_turns()
