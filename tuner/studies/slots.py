"""Slots and leases: which worker does which part of a study, and that each part is done exactly once.

A slot is one unit of work: a trial of the search's budget, or a job of the finals. A worker claims a slot and holds a
lease on it, which expires by the database's clock and has a token that grows with each claim. Every write names study,
owner and token. A worker that has lost its lease therefore changes nothing, and one whose study was deleted changes
nothing of a later study with the same name and ids.
"""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tuner.counters import count
from tuner.errors import TunerError
from tuner.studies.limits import end_by_time, is_time_over
from tuner.studies.outages import retried
from tuner.studies.outcomes import Job, Outcome, Stage, curve_to_json, read_job, score_of, to_json
from tuner.studies.schema import database_time, slots, studies
from tuner.studies.scores import store_scores
from tuner.studies.single_creation import Fence
from tuner.studies.storage import Storage
from tuner.studies.turns import RUNNING, Turn, list_turns, still_unlimited, take_turn

#: Seconds that a lease lives without being renewed: a killed worker's trial goes on elsewhere after this time.
DEFAULT_LEASE_S = 30.0

#: How often, and for how many seconds, a claim waits for another one that has locked the study: a few milliseconds do.
_MOST_WAITS, _WAIT_S = 10, 0.02

_RUNNING_STUDIES = sa.select(studies.c.id).where(RUNNING)


class LeaseLostError(TunerError):
    """Another worker has the slot, or the study is gone: drop the work, write nothing."""


class StudyStoppedError(TunerError):
    """The study was stopped: release the slot, so that a worker goes on with it when the study is resumed."""


class TimeOverError(TunerError):
    """The time of the study's search or finals is over: end the slot with the epochs that are finished."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(f"The time of the study was over: {'search' if stage == 'search' else 'finals'}.timeout.")


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to work on one slot."""

    slot_id: int
    study_id: int
    study_name: str
    #: The study's identity: after it is deleted, another study may have its name and ids.
    study_uid: str
    stage: Stage
    position: int
    #: What to do: an instance of the stage's class in `tuner.studies.outcomes`.
    job: Job
    owner: str
    token: int
    #: How often the slot was claimed since its last finished epoch, this time included.
    attempts: int
    #: The trial in Optuna, once there is one.
    trial_id: int | None
    trial_number: int | None


def create_slots(connection: sa.Connection, study_id: int, stage: Stage, jobs: Sequence[Job]) -> None:
    """Append one waiting slot for each job to the stage's slots."""
    first: int = connection.scalar(
        sa.select(sa.func.coalesce(sa.func.max(slots.c.position) + 1, 0)).where(
            slots.c.study_id == study_id, slots.c.stage == stage
        )
    )
    rows: list[dict[str, Any]] = [
        {
            "study_id": study_id,
            "stage": stage,
            "position": first + offset,
            "state": "waiting",
            "job": to_json(job),
            "token": 0,
            "attempts": 0,
            "workers": [],
            "epoch": 0,
        }
        for offset, job in enumerate(jobs)
    ]
    if rows:
        connection.execute(sa.insert(slots), rows)


def claim_slot(
    storage: Storage,
    *,
    owner: str,
    study_names: Sequence[str] = (),
    except_for: Collection[str] = (),
    lease_s: float = DEFAULT_LEASE_S,
) -> Lease | None:
    """Take the oldest waiting slot of the study whose turn it is, see `tuner.studies.turns`.

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


@retried
def bind_trial(storage: Storage, lease: Lease, *, trial_id: int, trial_number: int) -> None:
    """Store which trial in Optuna belongs to the slot.

    Raises:
        LeaseLostError: Another worker has the slot.
    """
    _update_leased(storage, lease, trial_id=trial_id, trial_number=trial_number)


@retried
def renew_lease(
    storage: Storage,
    lease: Lease,
    *,
    epoch: int,
    lease_s: float = DEFAULT_LEASE_S,
    trial_id: int | None = None,
    scores: Mapping[int, float] | None = None,
    restarted: bool = False,
) -> None:
    """Hold the slot for another `lease_s` seconds, note the last finished epoch and store new scores, or none of these.

    Args:
        storage: The database.
        lease: What is held.
        epoch: The last finished epoch, from 1; 0 before it.
        lease_s: Seconds from now until it expires.
        trial_id: The trial that the scores belong to.
        scores: By epoch, not stored before.
        restarted: Some of them replace what was stored, see `store_scores`.

    Raises:
        LeaseLostError: Another worker has the slot.
        StudyStoppedError: The study gives out no more work.
        TimeOverError: The study's time is over. The lease holds all the same, and the scores are stored.
    """
    # A finished epoch proves that the slot does not kill its worker: the count of attempts starts again.
    attempts = sa.case((slots.c.epoch < epoch, 1), else_=slots.c.attempts)
    renewal = (
        sa.update(slots)
        .where(_held(lease), slots.c.study_id.in_(_RUNNING_STUDIES))
        .values(
            expires_at=database_time() + lease_s,
            attempts=attempts,
            epoch=sa.case((slots.c.epoch < epoch, epoch), else_=slots.c.epoch),
        )
        .returning(is_time_over(lease.stage, lease.study_id))
    )
    with storage.engine.begin() as connection:
        renewed = connection.execute(renewal).one_or_none()
        if renewed is not None and trial_id is not None and scores:
            store_scores(connection, trial_id, scores, restarted=restarted)
        held = None if renewed else connection.scalar(sa.select(slots.c.id).where(_held(lease)))
    if renewed is not None:
        count("lease_renewals")
        if renewed[0]:
            raise TimeOverError(lease.stage)
        return
    if held is None:
        raise _lease_lost(lease)
    raise StudyStoppedError(f"Study {lease.study_name!r} was stopped.")


@retried
def end_slot(storage: Storage, lease: Lease, outcome: Outcome) -> None:
    """Store the outcome, which then stays whatever happens to this worker.

    A search slot is `ended` until its trial is closed in Optuna too, see `tuner.studies.trials`; others are `done`.

    Raises:
        LeaseLostError: Another worker has the slot.
    """
    stored, curve = to_json(outcome), curve_to_json(outcome)
    ending = (
        sa.update(slots)
        .where(_held(lease))
        .values(
            state="ended" if lease.stage == "search" else "done",
            outcome=stored,
            result=outcome.state,
            score=score_of(outcome),
            curve=curve,
            finished_at=database_time(),
            expires_at=None,
        )
    )
    with storage.engine.begin() as connection:
        if connection.execute(ending).rowcount:
            return
        # An earlier attempt may have stored it, and its answer was lost: then the slot has our token and our outcome.
        ended = sa.select(slots.c.outcome, slots.c.curve).where(_claimed(lease), slots.c.state.in_(["ended", "done"]))
        found = connection.execute(ended).one_or_none()
    if found is None or tuple(found) != tuple(json.loads(json.dumps([stored, curve]))):
        raise _lease_lost(lease)


@retried
def is_over(storage: Storage, lease: Lease) -> bool:
    """Say whether no worker will work on the slot again: its outcome is stored, or its study was deleted."""
    of_study = sa.select(studies.c.id).where(studies.c.uid == lease.study_uid).scalar_subquery()
    with storage.reader.connect() as connection:
        state = connection.scalar(
            sa.select(slots.c.state).where(slots.c.id == lease.slot_id, slots.c.study_id == of_study)
        )
    return state in {None, "ended", "done"}


@retried
def check_lease(storage: Storage, lease: Lease) -> None:
    """Raise `LeaseLostError` when another worker has the slot, or the study is gone."""
    with storage.reader.connect() as connection:
        held = connection.scalar(sa.select(slots.c.id).where(_held(lease)))
    if held is None:
        raise _lease_lost(lease)


def fence_of(lease: Lease) -> Fence:
    """Return a check for transactions that write for this lease: no worker can take the slot before they end.

    It raises `LeaseLostError` when the lease is lost.
    """

    def pass_holder(session: Session) -> None:
        hold_slot(session, lease)

    return pass_holder


def hold_slot(transaction: sa.Connection | Session, lease: Lease) -> None:
    """Keep other workers from taking the slot before the transaction ends.

    Raises:
        LeaseLostError: Another worker has it.
    """
    # Not `FOR UPDATE`: storing which slot a worker trains need not wait for it.
    held = sa.select(slots.c.id).where(_held(lease)).with_for_update(key_share=True)
    if transaction.scalar(held) is None:
        raise _lease_lost(lease)


@retried
def release_slot(storage: Storage, lease: Lease, *, is_attempt: bool = False) -> None:
    """Let another worker go on with an unfinished slot; nothing happens when the lease was lost.

    Args:
        storage: The database.
        lease: On the slot.
        is_attempt: Count this release as a crash towards the limit of attempts.
    """
    with storage.engine.begin() as connection:
        connection.execute(release_leased(_held(lease), attempts=slots.c.attempts - (0 if is_attempt else 1)))


@retried
def release_owned(storage: Storage, owner: str) -> int:
    """Make all slots of a worker that has died wait again; return their number."""
    with storage.engine.begin() as connection:
        return connection.execute(release_leased(slots.c.owner == owner)).rowcount


def release_leased(whose: sa.ColumnElement[bool], **changes: Any) -> sa.Update:
    """Return the statement that makes leased slots wait again, with these changes."""
    return (
        sa.update(slots)
        .where(slots.c.state == "leased", whose)
        .values(state="waiting", owner=None, expires_at=None, **changes)
    )


def _update_leased(storage: Storage, lease: Lease, **values: Any) -> None:
    with storage.engine.begin() as connection:
        updated = connection.execute(sa.update(slots).where(_held(lease)).values(**values)).rowcount
    if not updated:
        raise _lease_lost(lease)


def _lease_lost(lease: Lease) -> LeaseLostError:
    return LeaseLostError(f"Another worker has taken over slot {lease.slot_id} of study {lease.study_name!r}.")


def _held(lease: Lease) -> sa.ColumnElement[bool]:
    return sa.and_(_claimed(lease), slots.c.state == "leased", slots.c.owner == lease.owner)


def _claimed(lease: Lease) -> sa.ColumnElement[bool]:
    """Select the lease's slot if no worker has claimed it since."""
    of_study = sa.select(studies.c.id).where(studies.c.uid == lease.study_uid).scalar_subquery()
    return sa.and_(slots.c.id == lease.slot_id, slots.c.token == lease.token, slots.c.study_id == of_study)
