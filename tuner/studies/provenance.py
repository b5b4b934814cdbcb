"""What is recorded of a study's origin after it was created."""

from typing import Any

import sqlalchemy as sa

from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study, change_study, update_row


def record_once(storage: Storage, study: Study, *, key: str, value: str) -> str:
    """Record a value in a study's provenance where none has this key, and return the one that has it then.

    Raises:
        StudyNotFoundError: The study was deleted.
    """

    def record(connection: sa.Connection, row: Any) -> None:
        if key not in row.provenance:
            update_row(connection, row, {"provenance": {**row.provenance, key: value}})

    return change_study(storage, study, record).provenance[key]
