"""A slot: what it is asked for, who has it, and its outcome; slots are created and read here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.studies.database.schema import slots
from tuner.studies.slots.outcomes import (
    ConfirmJob,
    ConfirmOutcome,
    Curve,
    EnsembleJob,
    EnsembleOutcome,
    Job,
    Outcome,
    RetrainJob,
    RetrainOutcome,
    SearchJob,
    SearchOutcome,
    SlotState,
    Stage,
)
from tuner.studies.slots.stored_outcomes import read_job, read_outcome, to_json


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One slot of a study: what it is asked for, who has it, and its outcome."""

    id: int
    study_id: int
    stage: Stage
    #: In its stage, from 0.
    position: int
    state: SlotState
    job: Job
    #: The worker that holds it or held it last.
    owner: str | None
    token: int
    #: Seconds since 1970 by the database's clock, as the other times.
    expires_at: float | None
    attempts: int
    #: Every worker that claimed it, in order.
    workers: tuple[str, ...]
    #: Of Optuna's.
    trial_id: int | None
    trial_number: int | None
    #: The last epoch whose result was reported.
    epoch: int
    #: None until it has ended.
    outcome: Outcome | None
    started_at: float | None
    finished_at: float | None


@dataclass(frozen=True, kw_only=True)
class SearchSlot(Slot):
    """A slot of the search."""

    job: SearchJob
    outcome: SearchOutcome | None


@dataclass(frozen=True, kw_only=True)
class ConfirmSlot(Slot):
    """A slot of the confirmations."""

    job: ConfirmJob
    outcome: ConfirmOutcome | None


@dataclass(frozen=True, kw_only=True)
class RetrainSlot(Slot):
    """A slot of the retrainings."""

    job: RetrainJob
    outcome: RetrainOutcome | None


@dataclass(frozen=True, kw_only=True)
class EnsembleSlot(Slot):
    """A slot of the ensemble."""

    job: EnsembleJob
    outcome: EnsembleOutcome | None


_SLOTS: Mapping[Stage, type[Slot]] = {
    "search": SearchSlot,
    "confirm": ConfirmSlot,
    "retrain": RetrainSlot,
    "ensemble": EnsembleSlot,
}


def read_slot(row: Any, curve: Curve = ()) -> Slot:
    """Return the slot of a row of `tuner_slots`, with its curve unless that was not read."""
    stage: Stage = row.stage
    return _SLOTS[stage](
        id=row.id,
        study_id=row.study_id,
        stage=stage,
        position=row.position,
        state=row.state,
        job=read_job(stage, row.job),
        owner=row.owner,
        token=row.token,
        expires_at=row.expires_at,
        attempts=row.attempts,
        workers=tuple(row.workers),
        trial_id=row.trial_id,
        trial_number=row.trial_number,
        epoch=row.epoch,
        outcome=None if row.outcome is None else read_outcome(stage, row.outcome, curve),
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


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
