"""What ends a worker's slot without an outcome: the slot goes on later, here or elsewhere."""

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStoreAwayError
from tuner.jobs.study_data import DataUnavailableError
from tuner.studies.outages import DatabaseUnusableError, is_outage
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
    DatabaseUnusableError,
    DeviceLostError,
)


def is_interruption(error: BaseException) -> bool:
    """Say whether the slot that the error ended has no outcome by it."""
    return isinstance(error, _INTERRUPTIONS) or is_outage(error)
