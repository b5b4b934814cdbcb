"""What kind of failure an exception is, and whether the study should go on."""

import traceback

from tuner.errors import TunerError
from tuner.finals.fitting import NoScoreError
from tuner.spaces.guarding import BuilderError
from tuner.training.devices import DeviceMemoryError
from tuner.training.progress import NanLossError
from tuner.workers.timeout import TrialTimeoutError

#: Kinds that say nothing of the builder: they do not count towards stopping the study.
_OF_THE_CONFIGURATION = frozenset({"out_of_memory", "nan_loss", "timeout"})
#: After this many failures of other kinds in a row a study stops by itself.
MAX_FAILURES_IN_A_ROW = 5
_MAX_TRACEBACK = 20_000


def describe_failure(error: Exception) -> dict[str, str]:
    """Return the failure as a slot stores it: its kind, one line, and the traceback of the person's own code."""
    cause = error.__cause__ if isinstance(error, BuilderError) and error.__cause__ else error
    lines = str(error).strip().splitlines()
    text = "".join(traceback.format_exception(cause))
    return {
        "kind": _kind(error),
        "message": lines[0] if lines else type(error).__name__,
        "traceback": "" if isinstance(cause, TunerError) else text[-_MAX_TRACEBACK:],
    }


def _kind(error: Exception) -> str:
    if isinstance(error, MemoryError | DeviceMemoryError):
        return "out_of_memory"
    if isinstance(error, NanLossError):
        return "nan_loss"
    if isinstance(error, TrialTimeoutError):
        return "timeout"
    if isinstance(error, NoScoreError):
        return "no_score"
    if isinstance(error, BuilderError):
        return "builder_error"
    return "training_error"


def counts_towards_stopping(kind: str) -> bool:
    """Say whether failures of this kind point at the builder or the machine instead of the drawn values."""
    return kind not in _OF_THE_CONFIGURATION
