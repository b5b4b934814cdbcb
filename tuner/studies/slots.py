"""Slots and leases: which worker does which part of a study, and that each part is done exactly once.

A slot is one unit of work: a trial of the search's budget, or a job of the finals. A worker claims a slot and holds a
lease on it, which expires by the database's clock and has a token that grows with each claim. Every write names study,
owner and token. A worker that has lost its lease therefore changes nothing, and one whose study was deleted changes
nothing of a later study with the same name and ids.
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
    """The study was stopped: release the slot, so that a worker goes on with it when the study is resumed."""


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
    """Take the oldest waiting slot of the running studies of these names, or of all.

    It locks one row, however large the study is; two workers never get the same slot.

    Args:
        storage: The database.
        owner: The worker.
        study_names: Studies to work for; all studies when it is empty.
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
                # The answer to the last attempt's COMMIT was lost: no worker knows of a slot that it claimed.
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
    )
    with storage.engine.begin() as connection:
        if connection.execute(renewal).rowcount:
            if trial_id is not None and scores:
                store_scores(connection, trial_id, scores, restarted=restarted)
            return
        held = connection.scalar(sa.select(slots.c.id).where(_held(lease)))
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
    # Not `FOR UPDATE`: storing which slot a worker trains need not wait for it.
    held = sa.select(slots.c.id).where(_held(lease)).with_for_update(key_share=True)

    def pass_holder(session: Session) -> None:
        if session.scalar(held) is None:
            raise _lease_lost(lease)

    return pass_holder


@retried
def release_slot(storage: Storage, lease: Lease, *, is_attempt: bool = False) -> None:
    """Let another worker go on with an unfinished slot; nothing happens when the lease was lost.

    Args:
        storage: The database.
        lease: On the slot.
        is_attempt: Count this release as a crash towards the limit of attempts.
    """
    with storage.engine.begin() as connection:
        connection.execute(_release(_held(lease), attempts=slots.c.attempts - (0 if is_attempt else 1)))


@retried
def release_owned(storage: Storage, owner: str) -> int:
    """Make all slots of a worker that has died wait again; return their number."""
    with storage.engine.begin() as connection:
        return connection.execute(_release(slots.c.owner == owner)).rowcount


@retried
def reap_expired_leases(storage: Storage, *, lease_s: float = DEFAULT_LEASE_S) -> int:
    """Make the slots of vanished workers wait again; return their number.

    It looks at the state, not at events: any worker may call it at any time. After an outage no lease is reaped for
    `lease_s` seconds, so that workers that went on training can renew theirs: first the database must have been up for
    that long, and a worker must have been in contact with it for that long, see `_in_touch_for`.

    No lease ends later than `lease_s` seconds from now, also where the clock was set back. All workers of a database
    use the same `lease_s`.
    """
    _shorten_leases(storage, lease_s)
    own_s = storage.database.uninterrupted_s
    if own_s < lease_s and (own_s < lease_s / 6 or _in_touch_for(storage, own_s, gap_s=lease_s / 2) < lease_s):
        return 0
    # A start time in the future is from before the server's clock was set back.
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
    """Where the database's clock was set back, let leases that would expire too late expire in `lease_s` seconds."""
    # For leases that are renewed after this statement began: Postgres reads its clock for each row.
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
    return LeaseLostError(f"Another worker has taken over slot {lease.slot_id} of study {lease.study_name!r}.")


def _held(lease: Lease) -> sa.ColumnElement[bool]:
    return sa.and_(_claimed(lease), slots.c.state == "leased", slots.c.owner == lease.owner)


def _claimed(lease: Lease) -> sa.ColumnElement[bool]:
    """Select the lease's slot if no worker has claimed it since."""
    of_study = sa.select(studies.c.id).where(studies.c.uid == lease.study_uid).scalar_subquery()
    return sa.and_(slots.c.id == lease.slot_id, slots.c.token == lease.token, slots.c.study_id == of_study)
