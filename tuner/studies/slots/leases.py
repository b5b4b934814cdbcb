"""Leases: the right of one worker to work on a slot. It expires by the database's clock unless the worker renews it.

A lease has a token that grows with each claim. Every write names study, owner and token. A worker that has lost its
lease therefore changes nothing, and one whose study was deleted changes nothing of a later study with the same name and
ids.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tuner.counters import count
from tuner.errors import TunerError
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import database_time, slots, studies
from tuner.studies.database.single_creation import Fence
from tuner.studies.database.storage import Storage
from tuner.studies.slots.limits import is_time_over
from tuner.studies.slots.outcomes import Job, Outcome, Stage, score_of
from tuner.studies.slots.scores import store_scores
from tuner.studies.slots.stored_outcomes import curve_to_json, to_json
from tuner.studies.slots.turns import RUNNING

#: Seconds that a lease lives without being renewed: a killed worker's trial goes on elsewhere after this time.
DEFAULT_LEASE_S = 30.0

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
    #: What to do: an instance of the stage's class in `tuner.studies.slots.outcomes`.
    job: Job
    owner: str
    token: int
    #: How often the slot was claimed since its last finished epoch, this time included.
    attempts: int
    #: The trial in Optuna, once there is one.
    trial_id: int | None
    trial_number: int | None


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
