"""The errors that end the work on a slot without an outcome; a worker resumes the slot later, here or elsewhere."""

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStoreAwayError
from tuner.jobs.study.data import DataUnavailableError
from tuner.studies.database.errors import DatabaseAwayError, DatabaseUnusableError
from tuner.studies.slots.leases import LeaseLostError, StudyStoppedError
from tuner.training.devices import DeviceLostError


class DrainedError(Exception):
    """SIGINT or SIGTERM asked the worker to end."""


class LetGoError(Exception):
    """The slot was leased together with others, and its work did not begin with theirs: it is done later."""


_INTERRUPTIONS = (
    DrainedError,
    LetGoError,
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
    """Return whether the error leaves its slot without an outcome."""
    return isinstance(error, _INTERRUPTIONS)
