"""From creation to deletion: what may happen to a whole study."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from tuner.errors import TunerError, did_you_mean
from tuner.plain_values import StoredPixels
from tuner.studies.database.optuna_tables import (
    create_in_optuna,
    delete_from_optuna,
    find_in_optuna,
    lock_in_optuna,
    set_objectives,
)
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import database_time, deleted_folders, slots, studies
from tuner.studies.database.storage import Storage
from tuner.studies.database.texts import can_be_stored
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.naming import study_folder
from tuner.studies.repeats import count_configurations, further_repeats
from tuner.studies.sections.search import ONE_FACTOR
from tuner.studies.slots.limits import begin_clock, pause_clock
from tuner.studies.slots.outcomes import SearchJob
from tuner.studies.slots.slot import create_slots
from tuner.studies.states import StudyState

#: A study's largest budget, as `search.trials` has it.
_MOST_TRIALS = 1_000_000


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
    #: Folder of all its files in the artifact store; it does not follow from the name.
    folder: str
    optuna_study_id: int
    definition: StudyDefinition
    class_names: tuple[str, ...]
    provenance: Mapping[str, str]
    #: What the dataset's pixels mean, as JSON; None for studies of an older version.
    pixels: StoredPixels | None
    state: StudyState
    stop_reason: str | None
    #: Number of trials that the search finishes.
    budget: int
    #: Seconds since 1970 by the database's clock.
    created_at: float
    #: The limit that ended the search, `timeout` or `patience`, and the finals, `timeout`; None for their budget.
    search_ended: str | None
    finals_ended: str | None


def insert_study(
    storage: Storage,
    definition: StudyDefinition,
    *,
    class_names: Sequence[str],
    provenance: Mapping[str, str],
    pixels: StoredPixels | None = None,
    first_jobs: Sequence[SearchJob] = (),
) -> Study:
    """Store a study with one waiting slot for each trial of its budget.

    Args:
        storage: Where.
        definition: The study's.
        class_names: Of its dataset, in the order of the labels.
        provenance: Versions and hashes to record.
        pixels: What the dataset's pixels mean, as JSON.
        first_jobs: The first trials, with values that they take instead of drawing them. Values that are missing are
            drawn; trials beyond the budget are left out.

    Raises:
        StudyExistsError: The name is taken.
    """
    uid = uuid.uuid4().hex
    values = {
        "name": definition.name,
        "uid": uid,
        "folder": study_folder(definition.name, uid),
        "definition": definition.model_dump(mode="json"),
        "class_names": list(class_names),
        "provenance": dict(provenance),
        "pixels": pixels,
        "state": "searching",
        "budget": definition.search.trials,
        "created_at": database_time(),
        "search_since": database_time(),
        **definition.sharing.model_dump(),
        **begin_clock(definition.search.timeout),
    }
    jobs = [*first_jobs, *[SearchJob()] * definition.search.trials]

    @retried
    def insert(storage: Storage) -> None:
        with storage.engine.begin() as connection:
            taken = connection.scalar(sa.select(studies.c.uid).where(studies.c.name == definition.name))
            if taken == uid:
                # The answer to the COMMIT was lost.
                return
            if taken is not None:
                raise StudyExistsError(definition.name)
            optuna_study_id = _open_in_optuna(connection, definition.name)
            # Also where somebody's own study of Optuna is taken, which minimizes unless it was told otherwise.
            set_objectives(connection, optuna_study_id, definition.measures)
            row = sa.insert(studies).values(**values, optuna_study_id=optuna_study_id).returning(studies.c.id)
            study_id = connection.execute(row).scalar_one()
            create_slots(connection, study_id, "search", jobs[: definition.search.trials])

    try:
        insert(storage)
    except IntegrityError as error:
        # Another process creates it at this moment.
        raise StudyExistsError(definition.name) from error
    return find_study(storage, definition.name)


def _open_in_optuna(connection: sa.Connection, name: str) -> int:
    """Return the id of a study in Optuna without trials: a new one, or one that is there."""
    known = find_in_optuna(connection, name)
    if known is None:
        return create_in_optuna(connection, name)
    optuna_study_id, n_trials = known
    if n_trials:
        raise StudyStateError(
            f"Optuna alone has a study named {name!r} in this database, with trials. Choose another --name."
        )
    return optuna_study_id


@retried
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


@retried
def find_study_by_uid(storage: Storage, uid: str) -> Study | None:
    """Return the study of that identity; None when it was deleted, even if another study has its name now."""
    with storage.reader.connect() as connection:
        row = connection.execute(sa.select(studies).where(studies.c.uid == uid)).one_or_none()
    return None if row is None else _read_study(storage, row)


def find_present(storage: Storage, names: Iterable[str]) -> list[Study]:
    """Return the studies of these names that exist, or all studies when no name is given, oldest first."""
    return list(_read_studies(storage, tuple(names)).values())


def find_studies(storage: Storage, names: Iterable[str]) -> list[Study]:
    """Return the studies of these names, or all of them, oldest first, when no name is given.

    Raises:
        StudyNotFoundError: One name is unknown.
    """
    wanted = tuple(names)
    found = _read_studies(storage, wanted)
    for name in wanted:
        if name not in found:
            raise StudyNotFoundError(name, list_names(storage))
    return [found[name] for name in wanted or found]


@retried
def _read_studies(storage: Storage, names: Sequence[str]) -> dict[str, Study]:
    """Return the studies of these names, or all when no name is given, by their names, oldest first."""
    query = sa.select(studies).order_by(studies.c.id)
    if names:
        # No study has a name that a database cannot store, and Postgres refuses to look for one.
        query = query.where(studies.c.name.in_([name for name in names if can_be_stored(name)]))
    with storage.reader.connect() as connection:
        rows = connection.execute(query).all()
    return {row.name: _read_study(storage, row) for row in rows}


def _read_study(storage: Storage, row: Any) -> Study:
    storage.meet(row.uid)
    return Study(
        id=row.id,
        name=row.name,
        uid=row.uid,
        folder=row.folder,
        optuna_study_id=row.optuna_study_id,
        definition=StudyDefinition.from_stored(row.definition),
        class_names=tuple(row.class_names),
        provenance=row.provenance,
        pixels=row.pixels,
        state=row.state,
        stop_reason=row.stop_reason,
        budget=row.budget,
        created_at=row.created_at,
        search_ended=row.search_ended,
        finals_ended=row.finals_ended,
    )


def extend_study(storage: Storage, name: str, *, n_trials: int) -> Study:
    """Add trials to the budget; a finished study searches again, a stopped one stays stopped.

    A search that has ended, by a limit too, has its whole `search.timeout` and `search.patience` again.

    A study of one factor at a time repeats all its values with further seeds.

    Raises:
        StudyNotFoundError: There is none of that name.
        WholeRepeatsError: The trials are no whole repeats of such a study.
        StudyStateError: It would have more trials than a study may have.
    """
    # Marks these slots, so that they are not added again when only the answer to the COMMIT was lost.
    mark = uuid.uuid4().hex

    def extend(connection: sa.Connection, row: Any) -> None:
        added = sa.select(slots.c.id).where(slots.c.study_id == row.id, slots.c.job["extension"].as_string() == mark)
        if connection.scalar(added.limit(1)) is not None:
            return
        if row.budget + n_trials > _MOST_TRIALS:
            problem = f"has a budget of {row.budget:,} trials, received {n_trials:,} more"
            raise StudyStateError(f"Study {name!r} {problem}. Expected at most {_MOST_TRIALS:,} together.")
        jobs = [SearchJob()] * n_trials
        definition = StudyDefinition.from_stored(row.definition)
        if definition.search.sampler == ONE_FACTOR:
            jobs = further_repeats(connection, row, n_trials=n_trials, seed=definition.seed)
        create_slots(connection, row.id, "search", [replace(job, extension=mark) for job in jobs])
        state = "resume_state" if row.state == "stopped" else "state"
        is_new = row.search_ended is not None or "searching" not in {row.state, row.resume_state}
        again = begin_clock(definition.search.timeout) | {"search_since": database_time(), "search_ended": None}
        values = {"budget": row.budget + n_trials, state: "searching", "finals_ended": None}
        update_row(connection, row, values | (again if is_new else {}))

    return change_study(storage, find_study(storage, name), extend)


def extend_by_repeats(storage: Storage, name: str, *, n_repeats: int) -> Study:
    """Repeat all values of a study of one factor at a time with further seeds, see `extend_study`.

    Raises:
        StudyNotFoundError: There is none of that name.
        StudyStateError: It is not such a study.
    """
    study = find_study(storage, name)
    if study.definition.search.sampler != ONE_FACTOR:
        raise StudyStateError(
            f"Study {name!r} has the sampler {study.definition.search.sampler!r}, which repeats nothing. Add trials: "
            f"`tuner study extend {name} --trials N`."
        )
    return extend_study(storage, name, n_trials=n_repeats * count_configurations(storage, study.id))


def stop_study(storage: Storage, study: Study, *, reason: str | None = None) -> None:
    """Let no more slots of the study be claimed; trials that are running end with their present epoch.

    Nothing happens to a study that is done, stopped already, or deleted.
    """

    @retried
    def stop(storage: Storage) -> None:
        with storage.engine.begin() as connection:
            row = _lock(connection, study)
            if row is not None and row.state in {"searching", "finals"}:
                stopped = {"resume_state": row.state, "state": "stopped", "stop_reason": reason}
                update_row(connection, row, stopped | pause_clock())

    stop(storage)


def resume_study(storage: Storage, name: str) -> Study:
    """Let a stopped study go on.

    Raises:
        StudyNotFoundError: There is none of that name.
        StudyStateError: It is not stopped.
    """
    attempts = 0

    def resume(connection: sa.Connection, row: Any) -> None:
        nonlocal attempts
        attempts += 1
        if row.state == "stopped":
            state = row.resume_state or "searching"
            update_row(connection, row, {"state": state, "resume_state": None, "stop_reason": None})
        elif attempts == 1:
            # In a later attempt, the first has resumed it and only the answer to its COMMIT was lost.
            raise StudyStateError(f"Study {name!r} is {row.state}, not stopped; there is nothing to resume.")

    return change_study(storage, find_study(storage, name), resume)


@retried
def delete_study(storage: Storage, study: Study) -> None:
    """Remove the study from tuner's tables and Optuna's, in one transaction; its workers lose their leases.

    Nothing happens when it was deleted before, even if another study has its name now.
    """
    with storage.engine.begin() as connection:
        row = _lock(connection, study)
        if row is None:
            return
        # In the order in which workers lock rows: the study, its slots, their trials.
        lock_in_optuna(connection, row.optuna_study_id)
        connection.execute(sa.delete(slots).where(slots.c.study_id == row.id))
        connection.execute(sa.delete(studies).where(studies.c.id == row.id))
        delete_from_optuna(connection, row.optuna_study_id)
        # The folder of a study of 0.1.0 is its name: one that was deleted may have had the same.
        connection.execute(sa.delete(deleted_folders).where(deleted_folders.c.folder == row.folder))
        connection.execute(sa.insert(deleted_folders).values(folder=row.folder))
    storage.forget()


def change_study(storage: Storage, study: Study, change: Callable[[sa.Connection, Any], None]) -> Study:
    """Change the study while no other process can, and return it as it is afterwards.

    Args:
        storage: The database.
        study: The one to change.
        change: Called with the study's locked row; called again when the database was away.

    Raises:
        StudyNotFoundError: It was deleted.
    """

    @retried
    def once(storage: Storage) -> None:
        with storage.engine.begin() as connection:
            row = _lock(connection, study)
            if row is not None:
                change(connection, row)

    once(storage)
    changed = find_study_by_uid(storage, study.uid)
    if changed is None:
        raise StudyNotFoundError(study.name, list_names(storage))
    return changed


def _lock(connection: sa.Connection, study: Study) -> Any:
    """Return the study's row, which no other process can change before the transaction ends; None when it is gone.

    On SQLite the transaction itself keeps other processes from writing.
    """
    mine = sa.select(studies).where(studies.c.uid == study.uid).with_for_update()
    return connection.execute(mine).one_or_none()


def update_row(connection: sa.Connection, row: Any, values: Mapping[str, Any]) -> None:
    """Change these columns of a study's locked row."""
    connection.execute(sa.update(studies).where(studies.c.id == row.id).values(dict(values)))
