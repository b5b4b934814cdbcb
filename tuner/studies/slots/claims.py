"""Claim a slot: give a worker the lease on the oldest waiting slot of the study whose turn it is."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from tuner.studies.database.schema import database_time, slots, studies
from tuner.studies.database.storage import Storage
from tuner.studies.slots.leases import DEFAULT_LEASE_S, Lease, release_leased
from tuner.studies.slots.limits import end_by_time
from tuner.studies.slots.stored_outcomes import read_job
from tuner.studies.slots.turns import Turn, list_turns, still_unlimited, take_turn

#: How often, and for how many seconds, a claim waits for another one that has locked the study: a few milliseconds do.
_MOST_WAITS, _WAIT_S = 10, 0.02


def claim_slot(
    storage: Storage,
    *,
    owner: str,
    study_names: Sequence[str] = (),
    except_for: Collection[str] = (),
    lease_s: float = DEFAULT_LEASE_S,
) -> Lease | None:
    """Take the oldest waiting slot of the study whose turn it is, see `tuner.studies.slots.turns`.

    It locks this slot, and the study where `max_workers` limits it; two workers never get the same slot.

    Args:
        storage: The database.
        owner: The worker.
        study_names: Studies to work for; all studies when it is empty.
        except_for: Identities of studies for which the worker cannot work.
        lease_s: Seconds from now until the lease expires.

    Returns:
        The lease, or None when no slot waits that may be leased.
    """
    attempts = 0
    wanted: sa.ColumnElement[bool] = studies.c.name.in_(study_names) if study_names else sa.true()
    if except_for:
        wanted = sa.and_(wanted, studies.c.uid.not_in(except_for))

    def claim() -> Lease | None:
        nonlocal attempts
        attempts += 1
        if attempts > 1:
            # The answer to the last attempt's COMMIT was lost: no worker knows of a slot that it claimed.
            with storage.engine.begin() as connection:
                connection.execute(release_leased(slots.c.owner == owner, attempts=slots.c.attempts - 1))
        passed: set[int] = set()
        n_waits = 0
        while True:
            with storage.engine.begin() as connection:
                turns = [turn for turn in list_turns(connection, wanted) if turn.study_id not in passed]
                lease, given_up = _claim_in_turn(connection, turns, owner=owner, lease_s=lease_s)
            if given_up is None:
                return lease
            if given_up.reason == "busy" and n_waits < _MOST_WAITS:
                n_waits += 1
                time.sleep(_WAIT_S)
            elif given_up.reason != "over":
                passed.add(given_up.study_id)

    return storage.database.retry(claim)


@dataclass(frozen=True, kw_only=True)
class _GivenUp:
    """A study that gives no slot; the transaction must end, as it may hold the study's lock."""

    study_id: int
    #: `over`: its time was, and it has been told so. `busy`: another worker claims there. `full`: it has no slot.
    reason: Literal["over", "busy", "full"]


def _claim_in_turn(
    connection: sa.Connection, turns: Sequence[Turn], *, owner: str, lease_s: float
) -> tuple[Lease | None, _GivenUp | None]:
    """Claim a slot of the first study that has one.

    Returns:
        The lease if there is one; and why another transaction must look again.
    """
    for turn in turns:
        if turn.is_over:
            is_ended = end_by_time(connection, turn.study_id)
            return None, _GivenUp(study_id=turn.study_id, reason="over" if is_ended else "busy")
        taken = take_turn(connection, turn) if turn.needs_lock else "taken"
        if taken != "taken":
            return None, _GivenUp(study_id=turn.study_id, reason=taken)
        lease = _claim(connection, turn, owner=owner, lease_s=lease_s)
        if lease is not None:
            return lease, None
        if turn.needs_lock:
            return None, _GivenUp(study_id=turn.study_id, reason="full")
    return None, None


#: Built once, as a claim waits for them.
_OLDEST_WAITING = (
    sa.select(slots)
    .where(slots.c.state == "waiting", slots.c.study_id == sa.bindparam("of_study"))
    .order_by(slots.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_OLDEST_WAITING_WITHOUT_LIMIT = _OLDEST_WAITING.where(still_unlimited(sa.bindparam("of_study")))


def _claim(connection: sa.Connection, turn: Turn, *, owner: str, lease_s: float) -> Lease | None:
    oldest = _OLDEST_WAITING if turn.needs_lock else _OLDEST_WAITING_WITHOUT_LIMIT
    row = connection.execute(oldest, {"of_study": turn.study_id}).one_or_none()
    if row is None:
        return None
    return lease_row(connection, row, study_name=turn.name, study_uid=turn.uid, owner=owner, lease_s=lease_s)


def lease_row(
    connection: sa.Connection, row: sa.Row[Any], *, study_name: str, study_uid: str, owner: str, lease_s: float
) -> Lease:
    """Give the owner a lease on a waiting slot, whose row of `tuner_slots` the transaction has locked."""
    connection.execute(
        sa.update(slots)
        .where(slots.c.id == row.id)
        .values(
            state="leased",
            owner=owner,
            token=row.token + 1,
            attempts=row.attempts + 1,
            workers=[*row.workers, owner],
            expires_at=database_time() + lease_s,
            started_at=sa.func.coalesce(slots.c.started_at, database_time()),
        )
    )
    return Lease(
        slot_id=row.id,
        study_id=row.study_id,
        study_name=study_name,
        study_uid=study_uid,
        stage=row.stage,
        position=row.position,
        job=read_job(row.stage, row.job),
        owner=owner,
        token=row.token + 1,
        attempts=row.attempts + 1,
        trial_id=row.trial_id,
        trial_number=row.trial_number,
    )
