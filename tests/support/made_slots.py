"""Slots as `tuner.studies.slots.outcomes` reads them, made without a database."""

from types import SimpleNamespace

from tuner.studies.slots.outcomes import Job, Outcome, Stage
from tuner.studies.slots.slot import Slot, read_slot
from tuner.studies.slots.stored_outcomes import curve_to_json, read_curve, to_json


def make_slot(
    slot_id: int, stage: Stage, job: Job, outcome: Outcome | None = None, *, number: int | None = None
) -> Slot:
    """Return a slot that stores this job and this outcome; without an outcome it waits."""
    row = SimpleNamespace(
        id=slot_id,
        study_id=1,
        stage=stage,
        position=slot_id,
        state="done" if outcome else "waiting",
        job=to_json(job),
        owner=None,
        token=0,
        expires_at=None,
        attempts=0,
        workers=[],
        trial_id=number,
        trial_number=number,
        epoch=0,
        outcome=to_json(outcome) if outcome else None,
        started_at=None,
        finished_at=None,
    )
    return read_slot(row, read_curve(curve_to_json(outcome)) if outcome else ())
