"""What ends the work on a slot without an outcome: a worker goes on with the slot later."""

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStoreAwayError
from tuner.jobs.study_data import DataUnavailableError
from tuner.studies.database_errors import DatabaseAwayError, DatabaseUnusableError
from tuner.studies.slots import LeaseLostError, StudyStoppedError
from tuner.training.devices import DeviceLostError


class DrainedError(Exception):
    """The worker was asked to end, by SIGINT or SIGTERM."""


_INTERRUPTIONS = (
    DrainedError,
    LeaseLostError,
    StudyStoppedError,
    DataUnavailableError,
    ArtifactNotWrittenError,
    ArtifactStoreAwayError,
    DatabaseAwayError,
    DatabaseUnusableError,
    DeviceLostError,
)


def is_interruption(error: BaseException) -> bool:
    """Say whether the error ends the work on a slot without an outcome."""
    return isinstance(error, _INTERRUPTIONS)
