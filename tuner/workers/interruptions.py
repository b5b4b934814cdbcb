"""What ends a worker's slot without an outcome: the slot goes on later, here or elsewhere."""

import optuna
from sqlalchemy.exc import DBAPIError

from tuner.artifacts import ArtifactNotWrittenError
from tuner.finals.study_data import DataUnavailableError
from tuner.studies.slots import LeaseLostError, StudyStoppedError


class DrainedError(Exception):
    """The worker was asked to end, by SIGINT or SIGTERM."""


#: The database is away: not the trial's fault.
STORAGE_ERRORS = (DBAPIError, optuna.exceptions.StorageInternalError)

INTERRUPTIONS = (
    DrainedError,
    LeaseLostError,
    StudyStoppedError,
    DataUnavailableError,
    ArtifactNotWrittenError,
    *STORAGE_ERRORS,
)
