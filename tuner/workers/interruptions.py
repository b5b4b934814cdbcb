"""What ends a worker's slot without an outcome: the slot goes on later, here or elsewhere."""

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStoreAwayError
from tuner.finals.study_data import DataUnavailableError
from tuner.studies.outages import STORAGE_ERRORS
from tuner.studies.slots import LeaseLostError, StudyStoppedError
from tuner.training.devices import DeviceLostError


class DrainedError(Exception):
    """The worker was asked to end, by SIGINT or SIGTERM."""


INTERRUPTIONS = (
    DrainedError,
    LeaseLostError,
    StudyStoppedError,
    DataUnavailableError,
    ArtifactNotWrittenError,
    ArtifactStoreAwayError,
    DeviceLostError,
    *STORAGE_ERRORS,
)
