"""What Optuna Dashboard shows of a study beside its trials: a note, a figure of the finals, files of the best trials.

All of it is kept in Optuna's attributes of the *study*, because those of a finished trial can no longer be set, and in
files below the study's own folder, so that deleting the study removes them. Keys and formats are Optuna Dashboard's.
"""

import re
from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa

from tuner.studies.lifecycle import Study
from tuner.studies.outages import outlasting
from tuner.studies.schema import studies
from tuner.studies.storage import Storage

#: Folder of the files below the study's.
FOLDER = "dashboard"

_FILE_ID = re.compile(r"(?P<study>[0-9a-f]{8})-[0-9a-f-]{36}")


def file_id(study: Study, *, trial: int, name: str) -> str:
    """Return the id of a trial's file: always the same one, so that writing it again leaves no second."""
    return f"{study.optuna_study_id:08x}-{uuid5(NAMESPACE_URL, f'{study.created_at!r}/{trial}/{name}')}"


def file_path(study_name: str, file: str) -> str:
    """Return where in the artifact store a file of that id is."""
    return f"{study_name}/{FOLDER}/{file}"


@outlasting
def path_of_file(storage: Storage, file: str) -> str | None:
    """Return where in the artifact store a file is, or None when its id names no study."""
    known = _FILE_ID.fullmatch(file)
    if known is None:
        return None
    query = sa.select(studies.c.name).where(studies.c.optuna_study_id == int(known["study"], 16))
    with storage.reader.connect() as connection:
        name = connection.scalar(query)
    return None if name is None else file_path(name, file)
