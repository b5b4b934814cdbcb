"""Finals that a person asks for when a search is over: the first ones, more of them, or those that failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.studies.database.schema import slots
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.lifecycle import Study, StudyStateError, change_study, update_row
from tuner.studies.sections.finals import FinalsSection
from tuner.studies.slots.limits import begin_clock


@dataclass(frozen=True, kw_only=True)
class StartingWeights:
    """What finals start from instead of new weights."""

    #: Of a bundle: an absolute path or a URL.
    place: str
    freeze_epochs: int
    #: Key of the provenance → SHA-256 of the file.
    hashes: Mapping[str, str]


def change_finals(
    storage: Storage,
    study: Study,
    *,
    top: int | None,
    repeats: int | None,
    weights: StartingWeights | None = None,
) -> Study:
    """Change the number of finals or repeats, plan failed ones again, and let a finished study make them.

    Args:
        storage: The database.
        study: The study.
        top: Number of configurations; None: the study's.
        repeats: Of each; None: the study's.
        weights: What the models start from; None: what the study says.

    Raises:
        StudyNotFoundError: The study was deleted.
        StudyStateError: The search is not over, or models that started from other weights are retrained already.
    """
    unfinished = sa.and_(
        slots.c.study_id == sa.bindparam("study_id"), slots.c.stage == "search", slots.c.state != "done"
    )
    n_left = sa.select(sa.func.count()).where(unfinished)

    def change(connection: sa.Connection, row: Any) -> None:
        left = connection.scalar(n_left, {"study_id": row.id})
        # In a later stage, slots of the search are left only where it was ended before its budget.
        if left and row.state == "searching":
            raise StudyStateError(
                f"Study {study.name!r} is still searching ({left} trials left). Finals begin by themselves at its "
                f"end; run `tuner workers {study.name} --until-done`, or `tuner study stop {study.name}` to end the "
                "search now."
            )
        if left:
            _drop_unbegun(connection, row.id)
        _drop_failed_finals(connection, row.id)
        definition = StudyDefinition.from_stored(row.definition)
        finals = _changed_finals(definition, top=top, repeats=repeats, weights=weights)
        before = definition.finals
        if (finals.weights_from, finals.freeze_epochs) != (before.weights_from, before.freeze_epochs):
            _refuse_retrained(connection, row)
        definition = definition.model_copy(update={"finals": finals})
        wanted: dict[str, Any] = {"definition": definition.model_dump(mode="json"), "state": "finals"}
        if weights is not None:
            wanted["provenance"] = {**row.provenance, **weights.hashes}
        wanted |= {"resume_state": None, "stop_reason": None, "finals_ended": None}
        update_row(connection, row, wanted | begin_clock(finals.timeout))

    return change_study(storage, study, change)


def _changed_finals(
    definition: StudyDefinition, *, top: int | None, repeats: int | None, weights: StartingWeights | None
) -> FinalsSection:
    finals = definition.finals
    start = {} if weights is None else {"weights_from": weights.place, "freeze_epochs": weights.freeze_epochs}
    return finals.model_copy(
        update={
            "top": top or finals.top,
            "candidates": max(finals.candidates, top or 0),
            "repeats": repeats or finals.repeats,
            **start,
        }
    )


def _refuse_retrained(connection: sa.Connection, row: Any) -> None:
    """Raise `StudyStateError` where models are retrained: their means would mix two kinds of models."""
    retrained = sa.select(sa.func.count()).where(slots.c.study_id == row.id, slots.c.stage == "retrain")
    n_retrained = connection.scalar(retrained) or 0
    if n_retrained:
        raise StudyStateError(
            f"Study {row.name!r} has {n_retrained} retrained models already, which did not start from these weights in "
            "this way; its means would mix both. Create a study under another name whose finals.weights_from names the "
            "bundle."
        )


def _drop_unbegun(connection: sa.Connection, study_id: int) -> None:
    """Remove the slots of a stopped search that no worker has begun."""
    connection.execute(
        sa.delete(slots).where(slots.c.study_id == study_id, slots.c.state == "waiting", slots.c.trial_id.is_(None))
    )


def _drop_failed_finals(connection: sa.Connection, study_id: int) -> None:
    """Remove the slots of finals that failed, so that they are planned again like missing ones."""
    connection.execute(
        sa.delete(slots).where(
            slots.c.study_id == study_id,
            slots.c.stage != "search",
            slots.c.result == "failed",
        )
    )
