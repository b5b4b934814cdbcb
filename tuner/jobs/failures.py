"""The kind of failure that an exception is, and whether it counts towards stopping the study."""

import traceback

from tuner.errors import TunerError
from tuner.jobs.explaining import explain_exception
from tuner.jobs.fitting.fit import NoScoreError
from tuner.jobs.fitting.time_limit import TrialTimeoutError
from tuner.spaces.builder_errors import BuilderError
from tuner.spaces.own_code import text_of
from tuner.studies.slots.leases import TimeOverError
from tuner.studies.slots.outcomes import Failure
from tuner.training.devices import DeviceMemoryError
from tuner.training.run import NanLossError

#: Kinds that are not the builder's fault: they do not count towards stopping the study.
_OF_THE_CONFIGURATION = frozenset({"out_of_memory", "nan_loss", "timeout"})
#: A study stops by itself after this many failures of other kinds in a row.
MAX_FAILURES_IN_A_ROW = 5
_MAX_TRACEBACK = 20_000


def describe_failure(error: Exception) -> Failure:
    """Return the failure as a slot stores it: its kind, one line, and the traceback of the user's own code."""
    cause = error.__cause__ if isinstance(error, BuilderError) and error.__cause__ else error
    is_ours = isinstance(cause, TunerError)
    lines = text_of(cause).strip().splitlines() or [type(cause).__name__]
    return Failure(
        kind=_kind(error),
        message=lines[0] if is_ours else explain_exception(cause),
        traceback="" if is_ours else "".join(traceback.format_exception(cause))[-_MAX_TRACEBACK:],
    )


def describe_deaths(n_deaths: int, *, n_kills: int) -> Failure:
    """Return the failure of a slot whose workers died several times in a row without finishing an epoch.

    Args:
        n_deaths: Number of deaths.
        n_kills: How many of them were by SIGKILL, as far as pools saw it. The kernel sends it when memory is full.
    """
    if 2 * n_kills <= n_deaths:
        message = f"Its worker died {n_deaths} times in a row without finishing an epoch."
        return Failure(kind="worker_died", message=message)
    message = (
        f"Its worker was killed by signal 9, {n_kills} times in a row without finishing an epoch: most likely out of "
        "memory. Lower the batch size or the widths in the space, or start fewer workers (-n)."
    )
    return Failure(kind="out_of_memory", message=message)


def _kind(error: Exception) -> str:
    if isinstance(error, MemoryError | DeviceMemoryError):
        return "out_of_memory"
    if isinstance(error, NanLossError):
        return "nan_loss"
    if isinstance(error, TrialTimeoutError | TimeOverError):
        return "timeout"
    if isinstance(error, NoScoreError):
        return "no_score"
    if isinstance(error, BuilderError):
        return "builder_error"
    return "training_error"


def counts_towards_stopping(kind: str) -> bool:
    """Say whether failures of this kind point at the builder or the machine instead of the drawn values."""
    return kind not in _OF_THE_CONFIGURATION
