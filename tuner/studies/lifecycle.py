"""From creation to deletion: what may happen to a whole study."""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from tuner.errors import TunerError, did_you_mean
from tuner.studies.definition import StudyDefinition
from tuner.studies.outages import outlasting
from tuner.studies.records import StudyState
from tuner.studies.schema import database_time, slots, studies
from tuner.studies.slots import create_slots
from tuner.studies.storage import Storage


class StudyNotFoundError(TunerError):
    """No study of that name is in this database."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"No study named {name!r}.{did_you_mean(name, known)} Known studies: {', '.join(known) or 'none'}. "
            f"Create it with `tuner study create --name {name} --space cnn`."
        )


class StudyExistsError(TunerError):
    """A study of that name is in this database already."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A study named {name!r} exists already. Choose another --name, go on with it by "
            f"`tuner workers {name} --until-done`, or remove it with `tuner study delete {name}`."
        )


class StudyStateError(TunerError):
    """The study is not in a state that allows this."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One study as the database has it now."""

    id: int
    name: str
    #: The study's identity, in hexadecimal; a study that is deleted and made again has another one.
    uid: str
    optuna_study_id: int
    definition: StudyDefinition
    class_names: tuple[str, ...]
    provenance: Mapping[str, str]
    #: What the dataset's pixels mean, as JSON; None for studies of an older version.
    pixels: Mapping[str, Any] | None
    state: StudyState
    stop_reason: str | None
    #: Trials that the search will have finished at its end.
    budget: int
    #: Seconds since 1970 by the database's clock.
    created_at: float


def insert_study(
    storage: Storage,
    definition: StudyDefinition,
    *,
    class_names: Sequence[str],
    provenance: Mapping[str, str],
    pixels: Mapping[str, Any] | None = None,
    first_trials: Sequence[Mapping[str, Any]] = (),
) -> Study:
    """Store a study with one waiting slot for each trial of its budget.

    Args:
        storage: Where.
        definition: The study's.
        class_names: Of its dataset, in the order of the labels.
        provenance: Versions and hashes to record.
        pixels: What the dataset's pixels mean, as JSON.
        first_trials: Values for the first trials to take instead of drawing them, by Optuna's names; what a trial's
            values lack is drawn, and what the budget does not hold is left out.

    Raises:
        StudyExistsError: The name is taken.
    """
    try:
        optuna_study_id = storage.optuna.create_new_study(
            [optuna.study.StudyDirection.MAXIMIZE], study_name=definition.name
        )
    except optuna.exceptions.DuplicatedStudyError as error:
        if definition.name in list_names(storage):
            raise StudyExistsError(definition.name) from error
        # A creation that died half-way, or a study that Optuna alone knows.
        optuna_study_id = _adopt_empty(storage, definition.name)
    try:
        with storage.engine.begin() as connection:
            study_id = connection.execute(
                sa.insert(studies)
                .values(
                    name=definition.name,
                    uid=uuid.uuid4().hex,
                    optuna_study_id=optuna_study_id,
                    definition=definition.model_dump(mode="json"),
                    class_names=list(class_names),
                    provenance=dict(provenance),
                    pixels=pixels,
                    state="searching",
                    budget=definition.search.trials,
                    created_at=database_time(),
                )
                .returning(studies.c.id)
            ).scalar_one()
            jobs = [{"values": dict(values)} for values in first_trials] + [{}] * definition.search.trials
            create_slots(connection, study_id, "search", jobs[: definition.search.trials])
    except IntegrityError as error:
        raise StudyExistsError(definition.name) from error
    return find_study(storage, definition.name)


def _adopt_empty(storage: Storage, name: str) -> int:
    optuna_study_id = storage.optuna.get_study_id_from_name(name)
    if storage.optuna.get_n_trials(optuna_study_id):
        raise StudyStateError(
            f"Optuna alone has a study named {name!r} in this database, with trials. Choose another --name."
        )
    return optuna_study_id


@outlasting
def list_names(storage: Storage) -> list[str]:
    """Return the names of all studies, oldest first."""
    with storage.reader.connect() as connection:
        return list(connection.scalars(sa.select(studies.c.name).order_by(studies.c.id)))


def find_study(storage: Storage, name: str) -> Study:
    """Return the study of that name.

    Raises:
        StudyNotFoundError: There is none.
    """
    return find_studies(storage, [name])[0]


@outlasting
def find_studies(storage: Storage, names: Iterable[str]) -> list[Study]:
    """Return the studies of these names, or all of them, oldest first, when no name is given.

    Raises:
        StudyNotFoundError: One name is unknown.
    """
    wanted = tuple(names)
    query = sa.select(studies).order_by(studies.c.id)
    with storage.reader.connect() as connection:
        rows = connection.execute(query.where(studies.c.name.in_(wanted)) if wanted else query).all()
    found = {row.name: _read_study(row) for row in rows}
    for name in wanted:
        if name not in found:
            raise StudyNotFoundError(name, list_names(storage))
    return [found[name] for name in wanted or found]


def _read_study(row: Any) -> Study:
    return Study(
        id=row.id,
        name=row.name,
        uid=row.uid,
        optuna_study_id=row.optuna_study_id,
        definition=StudyDefinition.from_json(json.dumps(row.definition)),
        class_names=tuple(row.class_names),
        provenance=row.provenance,
        pixels=row.pixels,
        state=row.state,
        stop_reason=row.stop_reason,
        budget=row.budget,
        created_at=row.created_at,
    )


def extend_study(storage: Storage, name: str, *, n_trials: int) -> Study:
    """Add trials to the budget; a finished study searches again, a stopped one stays stopped."""
    study = find_study(storage, name)
    with storage.engine.begin() as connection:
        create_slots(connection, study.id, "search", [{}] * n_trials)
        values: dict[str, Any] = {"budget": studies.c.budget + n_trials}
        values["resume_state" if study.state == "stopped" else "state"] = "searching"
        connection.execute(sa.update(studies).where(studies.c.id == study.id).values(values))
    return find_study(storage, name)


@outlasting
def stop_study(storage: Storage, study_id: int, *, reason: str | None = None) -> None:
    """Give out no more slots of the study; what is being trained ends with its present epoch."""
    with storage.engine.begin() as connection:
        connection.execute(
            sa.update(studies)
            .where(studies.c.id == study_id, studies.c.state.in_(["searching", "finals"]))
            .values(resume_state=studies.c.state, state="stopped", stop_reason=reason)
        )


def resume_study(storage: Storage, name: str) -> Study:
    """Let a stopped study go on.

    Raises:
        StudyStateError: It is not stopped.
    """
    study = find_study(storage, name)
    if study.state != "stopped":
        raise StudyStateError(f"Study {name!r} is {study.state}, not stopped; there is nothing to resume.")
    with storage.engine.begin() as connection:
        connection.execute(
            sa.update(studies)
            .where(studies.c.id == study.id)
            .values(state=sa.func.coalesce(studies.c.resume_state, "searching"), resume_state=None, stop_reason=None)
        )
    return find_study(storage, name)


def change_finals(storage: Storage, study: Study, *, top: int | None, repeats: int | None) -> Study:
    """Ask for other finals than the definition did, or again for what failed, and let a finished study make them.

    Raises:
        StudyStateError: The search is not over.
    """
    with storage.reader.connect() as connection:
        left = connection.scalar(
            sa.select(sa.func.count()).where(
                slots.c.study_id == study.id, slots.c.stage == "search", slots.c.state != "done"
            )
        )
    if left and study.state != "stopped":
        raise StudyStateError(
            f"Study {study.name!r} is still searching ({left} trials left). Finals begin by themselves at its end; "
            f"run `tuner workers {study.name} --until-done`, or `tuner study stop {study.name}` to end the search now."
        )
    finals = study.definition.finals
    wanted = finals.model_copy(
        update={
            "top": top or finals.top,
            "candidates": max(finals.candidates, top or 0),
            "repeats": repeats or finals.repeats,
        }
    )
    definition = study.definition.model_copy(update={"finals": wanted})
    with storage.engine.begin() as connection:
        if left:
            # Stopped in the middle of the search: what was never begun will not be.
            connection.execute(
                sa.delete(slots).where(
                    slots.c.study_id == study.id, slots.c.state == "waiting", slots.c.trial_id.is_(None)
                )
            )
        # What failed is planned anew, as what is missing.
        connection.execute(
            sa.delete(slots).where(
                slots.c.study_id == study.id,
                slots.c.stage != "search",
                slots.c.outcome["state"].as_string() == "failed",
            )
        )
        connection.execute(
            sa.update(studies)
            .where(studies.c.id == study.id)
            .values(definition=definition.model_dump(mode="json"), state="finals", resume_state=None, stop_reason=None)
        )
    return find_study(storage, study.name)


def delete_study(storage: Storage, study: Study) -> None:
    """Remove the study from tuner's tables and Optuna's; workers that train for it lose their leases."""
    with storage.engine.begin() as connection:
        connection.execute(sa.delete(slots).where(slots.c.study_id == study.id))
        connection.execute(sa.delete(studies).where(studies.c.id == study.id))
    storage.optuna.delete_study(study.optuna_study_id)
