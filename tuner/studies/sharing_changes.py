"""Change how a study shares the workers, at any time of its life."""

from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.explanation import explain
from tuner.studies.definitions.files import DefinitionError
from tuner.studies.definitions.overrides import Changes
from tuner.studies.lifecycle import Study, change_study, find_study, update_row
from tuner.studies.sections.sharing import SharingSection


def change_sharing(storage: Storage, name: str, changes: Changes) -> Study:
    """Change settings of the study's table `[sharing]`; the next claim follows them.

    A lower `max_workers` ends no trial: no further one begins before fewer are in training.

    Args:
        storage: The database.
        name: The study's.
        changes: Values by their names in `SharingSection`.

    Raises:
        StudyNotFoundError: There is none of that name.
        DefinitionError: A value is wrong.
    """

    def change(connection: sa.Connection, row: Any) -> None:
        definition = StudyDefinition.from_stored(row.definition)
        sharing = _changed(definition.sharing, changes)
        definition = definition.model_copy(update={"sharing": sharing})
        update_row(connection, row, sharing.model_dump() | {"definition": definition.model_dump(mode="json")})

    study = find_study(storage, name)
    # A wrong value is told before anything is locked.
    _changed(study.definition.sharing, changes)
    return change_study(storage, study, change)


def _changed(sharing: SharingSection, changes: Changes) -> SharingSection:
    try:
        return SharingSection.model_validate(sharing.model_dump() | dict(changes))
    except ValidationError as error:
        raise DefinitionError(explain(error, SharingSection, source="tuner study set")) from error
