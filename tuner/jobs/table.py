"""The job of each stage."""

import logging
from collections.abc import Callable, Mapping, Sequence

from tuner.errors import TunerError
from tuner.jobs.context import JobContext
from tuner.jobs.failures import describe_failure
from tuner.jobs.finals.jobs import (
    conclude_confirmation,
    conclude_retraining,
    prepare_confirmation,
    prepare_retraining,
    run_confirmation,
    run_ensemble,
    run_retraining,
)
from tuner.jobs.fitting.at_once import find_reason_against, fit_at_once
from tuner.jobs.fitting.fit import Fitted
from tuner.jobs.interruptions import is_interruption
from tuner.jobs.search.cohort import LARGEST_COHORT, run_cohort
from tuner.jobs.search.trial import run_trial
from tuner.jobs.study.space import open_study_space
from tuner.studies.slots.leases import TimeOverError
from tuner.studies.slots.limits import end_overdue
from tuner.studies.slots.outcomes import Outcome, Stage, failed_outcome
from tuner.training.populations.train import UnlikeMembersError

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
    try:
        return JOBS[context.lease.stage](context)
    except Exception as error:
        if is_interruption(error):
            raise
        return _to_outcome(context, error)


def find_reason_to_work_alone(context: JobContext) -> str | None:
    """Return why the slot's work is not put together with that of slots that differ in the seed; None where it may."""
    definition, stage = context.study.definition, context.lease.stage
    search = definition.search
    if stage == "ensemble" or (stage == "search" and (search.cohort == 1 or search.trial_timeout is not None)):
        return "it has nothing in common with others, or a limit of its own time"
    if stage != "retrain" and definition.data.folds:
        return "in a study with folds, it trains its own folds at once"
    try:
        return find_reason_against(
            definition,
            lambda: open_study_space(definition, context.study.provenance),
            search.cohort if stage == "search" else search.at_once,
        )
    except TunerError as error:
        # The slot's own work says what is to be done about it.
        return str(error)


def asks_for_several(context: JobContext) -> bool:
    """Say whether the study asks for several such slots at once in so many words, and does not leave it to chance."""
    search = context.study.definition.search
    if context.lease.stage == "search":
        return search.cohort != 1
    return context.lease.stage != "ensemble" and search.at_once not in {1, "auto"}


def count_companions(context: JobContext) -> int | None:
    """Return with how many other slots the slot's work may be put together at most; None: any number."""
    search = context.study.definition.search
    if context.lease.stage == "search":
        return (LARGEST_COHORT if search.cohort == "auto" else search.cohort) - 1
    return None if search.at_once == "auto" else search.at_once - 1


def run_jobs(contexts: Sequence[JobContext]) -> list[Outcome | Exception]:
    """Do the work of slots of one stage as one program: trials of the search, or repeats of a training of the finals.

    Args:
        contexts: Of jobs that are alike, see `companions.is_alike`, and for which `find_reason_to_work_alone` has none.

    Returns:
        For each slot its outcome, or the interruption that has ended its work alone.

    Raises:
        UnlikeMembersError: They must be done one by one, once each slot is claimed anew.
    """
    is_retraining = contexts[0].lease.stage == "retrain"
    try:
        if contexts[0].lease.stage == "search":
            return run_cohort(contexts)
        prepared = [(prepare_retraining if is_retraining else prepare_confirmation)(context) for context in contexts]
        requests = [one.request for one in prepared]
        ends = fit_at_once(prepared[0].setup, requests, at_once=contexts[0].study.definition.search.at_once)
    except Exception as error:
        if is_interruption(error) or isinstance(error, UnlikeMembersError):
            raise
        # One of them may not build, or all together may not fit into memory: each is then worked on alone.
        raise UnlikeMembersError(f"They failed together: {error}") from error

    def conclude(context: JobContext, index: int) -> Outcome:
        end = ends[index]
        if not isinstance(end, Fitted):
            raise end
        if is_retraining:
            return conclude_retraining(context, prepared[index], end)
        return conclude_confirmation(context, prepared[index], end)

    found: list[Outcome | Exception] = []
    for index, context in enumerate(contexts):
        try:
            found.append(conclude(context, index))
        except Exception as error:  # noqa: BLE001 - an outcome of its own slot
            found.append(error if is_interruption(error) else _to_outcome(context, error))
    return found


def _to_outcome(context: JobContext, error: Exception) -> Outcome:
    """Return the outcome of a slot whose work has failed."""
    lease = context.lease
    if isinstance(error, TimeOverError):
        end_overdue(context.storage, context.study.id)
    # A failed job must not stop the others.
    _log.warning("%s %d failed: %s", lease.stage, lease.position, error)
    return failed_outcome(lease.stage, describe_failure(error))
