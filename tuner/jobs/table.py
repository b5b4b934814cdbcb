"""What to run for a slot of each stage."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from tuner.jobs.context import JobContext
from tuner.jobs.failures import describe_failure
from tuner.jobs.finals import run_confirmation, run_ensemble, run_retraining
from tuner.jobs.interruptions import is_interruption
from tuner.jobs.trial import run_trial

_log = logging.getLogger(__name__)

#: By stage: what does the work and returns what the slot stores of it.
JOBS: Mapping[str, Callable[[JobContext], dict[str, Any]]] = {
    "search": run_trial,
    "confirm": run_confirmation,
    "retrain": run_retraining,
    "ensemble": run_ensemble,
}


def run_job(context: JobContext) -> dict[str, Any]:
    """Do the work of a slot and return its outcome; a failure is an outcome too, and an interruption is raised."""
    lease = context.lease
    try:
        return JOBS[lease.stage](context)
    except Exception as error:
        if is_interruption(error):
            raise
        # A failed job must not keep the others from being done.
        _log.warning("%s %d failed: %s", lease.stage, lease.position, error)
        return failed_outcome(lease.stage, describe_failure(error))


def failed_outcome(stage: str, failure: dict[str, str]) -> dict[str, Any]:
    """Return what a slot stores of work that failed for good."""
    outcome: dict[str, Any] = {"state": "failed", "failure": failure}
    if stage in {"search", "confirm"}:
        outcome |= {"score": None, "best_epoch": None, "hyperparameters": {}, "curve": []}
    return outcome
