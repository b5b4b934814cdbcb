"""Slots and leases: who does which part of a study, and that each part is done exactly once.

A slot is one unit of work: a trial of the search's budget, or a job of the finals. A worker claims a slot and holds a
lease on it: until an expiry by the database's clock, under a token that grows with each claim. Every write names study,
owner and token, so that a worker whose lease went to somebody else changes nothing, and one whose study was deleted
nothing of a study that has got the same name and ids.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tuner.errors import TunerError
from tuner.studies.outages import retried
from tuner.studies.outcomes import Job, Outcome, Stage, curve_to_json, read_job, score_of, to_json
from tuner.studies.schema import database_start, database_time, slots, studies, workers
from tuner.studies.scores import store_scores
from tuner.studies.single_creation import Fence
from tuner.studies.storage import Storage

#: Seconds that a lease lives without being renewed: a killed worker's trial goes on elsewhere after this time.
DEFAULT_LEASE_S = 30.0

_RUNNING_STUDIES = sa.select(studies.c.id).where(studies.c.state.in_(["searching", "finals"]))


class LeaseLostError(TunerError):
    """Another worker has the slot, or the study is gone: drop the work, write nothing."""


class StudyStoppedError(TunerError):
    """The study was stopped: give the slot back, so that it goes on when the study is resumed."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to work on one slot."""

    slot_id: int
    study_id: int
    study_name: str
    #: The study's identity: name and ids may be another one's after it was deleted.
    study_uid: str
    stage: Stage
    position: int
    #: What to do, of the stage's class in `tuner.studies.outcomes`.
    job: Job
    owner: str
    token: int
    #: How often the slot was claimed since its last finished epoch, this time included.
    attempts: int
    #: The trial of Optuna's, once there is one.
    trial_id: int | None
    trial_number: int | None


def create_slots(connection: sa.Connection, study_id: int, stage: Stage, jobs: Sequence[Job]) -> None:
    """Append one waiting slot for each job to those that the stage has."""
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
    """Take the oldest waiting slot of the running studies of these names, or of all.

    One locked row, whatever the size of the study; two workers never get the same slot.

    Args:
        storage: The database.
        owner: The worker.
        study_names: None: all studies.
        except_for: Identities of studies for which the worker cannot work.
        lease_s: Seconds from now until the lease expires.

    Returns:
        The lease, or None when no slot waits.
    """
    attempts = 0
    running = _RUNNING_STUDIES.where(studies.c.name.in_(study_names)) if study_names else _RUNNING_STUDIES
    if except_for:
        running = running.where(studies.c.uid.not_in(except_for))

    def claim() -> Lease | None:
        nonlocal attempts
        attempts += 1
        with storage.engine.begin() as connection:
            if attempts > 1:
                # The answer to the last attempt's COMMIT was lost: whatever it claimed is nobody's work.
                connection.execute(_release(slots.c.owner == owner, attempts=slots.c.attempts - 1))
            return _claim(connection, owner=owner, running=running, lease_s=lease_s)

    return storage.database.retry(claim)


def _claim(connection: sa.Connection, *, owner: str, running: sa.Select[Any], lease_s: float) -> Lease | None:
    oldest = (
        sa.select(slots)
        .where(slots.c.state == "waiting", slots.c.study_id.in_(running))
        .order_by(slots.c.study_id, slots.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = connection.execute(oldest).one_or_none()
    if row is None:
        return None
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
    study = connection.execute(sa.select(studies.c.name, studies.c.uid).where(studies.c.id == row.study_id)).one()
    return Lease(
        slot_id=row.id,
        study_id=row.study_id,
        study_name=study.name,
        study_uid=study.uid,
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
    """Remember which trial of Optuna's the slot is.

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
    begun_anew: bool = False,
) -> None:
    """Hold the slot for another `lease_s` seconds, note the last finished epoch and store new scores, or none of these.

    Args:
        storage: The database.
        lease: What is held.
        epoch: The last finished epoch, from 1; 0 before it.
        lease_s: Seconds from now until it expires.
        trial_id: The trial that the scores belong to.
        scores: By epoch, not stored before.
        begun_anew: Some of them replace what was stored, see `store_scores`.

    Raises:
        LeaseLostError: Another worker has the slot.
        StudyStoppedError: The study gives out no more work.
    """
    # A finished epoch proves that the slot kills no worker: attempts count anew.
    attempts = sa.case((slots.c.epoch < epoch, 1), else_=slots.c.attempts)
    renewal = (
        sa.update(slots)
        .where(_held(lease), slots.c.study_id.in_(_RUNNING_STUDIES))
        .values(
            expires_at=database_time() + lease_s,
            attempts=attempts,
            epoch=sa.case((slots.c.epoch < epoch, epoch), else_=slots.c.epoch),
        )
    )
    with storage.engine.begin() as connection:
        if connection.execute(renewal).rowcount:
            if trial_id is not None and scores:
                store_scores(connection, trial_id, scores, begun_anew=begun_anew)
            return
        held = connection.scalar(sa.select(slots.c.id).where(_held(lease)))
    if held is None:
        raise _lease_lost(lease)
    raise StudyStoppedError(f"Study {lease.study_name!r} was stopped.")


@retried
def end_slot(storage: Storage, lease: Lease, outcome: Outcome) -> None:
    """Store the outcome: from now on it stands, whatever happens to this worker.

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
        # The answer to this very COMMIT may have been lost: then the slot has our token and our outcome.
        ended = sa.select(slots.c.outcome, slots.c.curve).where(_claimed(lease), slots.c.state.in_(["ended", "done"]))
        found = connection.execute(ended).one_or_none()
    if found is None or tuple(found) != tuple(json.loads(json.dumps([stored, curve]))):
        raise _lease_lost(lease)


@retried
def is_over(storage: Storage, lease: Lease) -> bool:
    """Say whether nobody will work on the slot any more, its outcome being stored or its study deleted."""
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
    """Return what lets a transaction write for this lease alone: nobody can take the slot before the transaction ends.

    It raises `LeaseLostError` when the lease is lost.
    """
    # Not `FOR UPDATE`: noting that a worker is at the slot need not wait.
    held = sa.select(slots.c.id).where(_held(lease)).with_for_update(key_share=True)

    def pass_holder(session: Session) -> None:
        if session.scalar(held) is None:
            raise _lease_lost(lease)

    return pass_holder


@retried
def release_slot(storage: Storage, lease: Lease, *, is_attempt: bool = False) -> None:
    """Give an unfinished slot back, for the next worker to go on with; nothing happens when the lease was lost.

    Args:
        storage: The database.
        lease: On the slot.
        is_attempt: Count this release as a crash towards the limit of attempts.
    """
    with storage.engine.begin() as connection:
        connection.execute(_release(_held(lease), attempts=slots.c.attempts - (0 if is_attempt else 1)))


@retried
def release_owned(storage: Storage, owner: str) -> int:
    """Make all slots of a worker wait again that is known to have died; return how many."""
    with storage.engine.begin() as connection:
        return connection.execute(_release(slots.c.owner == owner)).rowcount


@retried
def reap_expired_leases(storage: Storage, *, lease_s: float = DEFAULT_LEASE_S) -> int:
    """Make the slots of vanished workers wait again; return how many.

    Looks at the state, not at events: any worker may call it at any time. After an outage nobody reaps for as long as a
    lease lives, so that workers which trained on can renew theirs: not for `lease_s` after the database came up, nor
    before somebody has been in contact for so long, see `_in_touch_for`.

    A clock that was set back makes no lease longer than `lease_s` from now on. All workers of a database have one
    length.
    """
    _shorten_leases(storage, lease_s)
    own_s = storage.database.uninterrupted_s
    if own_s < lease_s and (own_s < lease_s / 6 or _in_touch_for(storage, own_s, gap_s=lease_s / 2) < lease_s):
        return 0
    # A server that came up in the future did so before its clock was set back.
    is_settled = sa.or_(database_start() + lease_s < database_time(), database_start() > database_time())
    expired = sa.and_(slots.c.expires_at < database_time(), is_settled)
    with storage.engine.begin() as connection:
        return connection.execute(_release(expired)).rowcount


def _in_touch_for(storage: Storage, own_s: float, *, gap_s: float) -> float:
    """Return for how long, in seconds, this process and workers before it have been in contact with the database.

    A fresh process alone cannot know whether others were cut off until now. Contacts that follow each other within
    `gap_s` are one: a worker that holds a lease and was cut off for less has it still, and has had time to renew it.
    """
    contacts = (
        sa.select(workers.c.in_touch_since, workers.c.last_seen_at)
        .where(workers.c.in_touch_since.is_not(None))
        .order_by(workers.c.last_seen_at.desc())
    )
    with storage.reader.connect() as connection:
        now: float = connection.execute(sa.select(database_time())).scalar_one()
        rows = connection.execute(contacts).all()
    since = now - own_s
    for row in rows:
        if row.last_seen_at < since - gap_s:
            break
        since = min(since, row.in_touch_since)
    return now - since


def _shorten_leases(storage: Storage, lease_s: float) -> None:
    """Let leases that end later than any could since the database's clock is as it is end in `lease_s` seconds."""
    # Renewed after this statement began, by a clock that is read at each row.
    margin_s = 1.0
    too_long = sa.and_(slots.c.state == "leased", slots.c.expires_at > database_time() + lease_s + margin_s)
    with storage.reader.connect() as connection:
        found = connection.scalar(sa.select(slots.c.id).where(too_long).limit(1))
    if found is not None:
        with storage.engine.begin() as connection:
            connection.execute(sa.update(slots).where(too_long).values(expires_at=database_time() + lease_s))


def _release(whose: sa.ColumnElement[bool], **changes: Any) -> sa.Update:
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
    return LeaseLostError(f"Slot {lease.slot_id} of study {lease.study_name!r} is another worker's by now.")


def _held(lease: Lease) -> sa.ColumnElement[bool]:
    return sa.and_(_claimed(lease), slots.c.state == "leased", slots.c.owner == lease.owner)


def _claimed(lease: Lease) -> sa.ColumnElement[bool]:
    """Say of a slot that nobody has claimed it since."""
    of_study = sa.select(studies.c.id).where(studies.c.uid == lease.study_uid).scalar_subquery()
    return sa.and_(slots.c.id == lease.slot_id, slots.c.token == lease.token, slots.c.study_id == of_study)
