"""The job of each stage."""

import logging
from collections.abc import Callable, Mapping

from tuner.jobs.context import JobContext
from tuner.jobs.failures import describe_failure
from tuner.jobs.finals import run_confirmation, run_ensemble, run_retraining
from tuner.jobs.interruptions import is_interruption
from tuner.jobs.trial import run_trial
from tuner.studies.limits import end_overdue
from tuner.studies.outcomes import Outcome, Stage, failed_outcome
from tuner.studies.slots import TimeOverError

_log = logging.getLogger(__name__)

#: By stage: the function that does the work of a slot and returns its outcome.
JOBS: Mapping[Stage, Callable[[JobContext], Outcome]] = {
    "search": run_trial,
    "confirm": run_confirmation,
    "retrain": run_retraining,
    "ensemble": run_ensemble,
}


def run_job(context: JobContext) -> Outcome:
    """Do the work of a slot and return its outcome. A failure is an outcome too; an interruption is raised."""
    lease = context.lease
    try:
        return JOBS[lease.stage](context)
    except Exception as error:
        if is_interruption(error):
            raise
        if isinstance(error, TimeOverError):
            end_overdue(context.storage, context.study.id)
        # A failed job must not stop the others.
        _log.warning("%s %d failed: %s", lease.stage, lease.position, error)
        return failed_outcome(lease.stage, describe_failure(error))
