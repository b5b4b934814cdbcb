"""Several trials of the search as one program: a leader draws freely, its followers share what decides the program.

Followers draw the learning rate alone, and have seeds of their own; everything else they take from the leader, as
values that are given to a trial. Each is a trial as any other: with its slot and lease, its curve, and its end.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import keras
import optuna

from tuner.jobs.context import JobContext
from tuner.jobs.fitting.at_once import fit_at_once, refuse_alone
from tuner.jobs.fitting.costs import ConstraintViolatedError, CostUnknownError
from tuner.jobs.fitting.fit import FitRequest
from tuner.jobs.fitting.setup import TrainingSetup
from tuner.jobs.interruptions import is_interruption
from tuner.jobs.search.trial import BegunTrial, begin_trial
from tuner.studies.sections.search import AtOnce
from tuner.studies.slots.outcomes import Outcome
from tuner.training.populations.train import UnlikeMembersError
from tuner.training.session import release_memory, seed_everything

#: Hyperparameters that followers draw; conditions may follow the name in Optuna.
FREE = ("learning_rate", "lr")
#: Trials that are leased at once where the number that is trained at once is found by trying.
LARGEST_COHORT = 8


def run_cohort(contexts: Sequence[JobContext]) -> list[Outcome | Exception]:
    """Do the work of search slots, the first of which leads.

    Returns:
        For each slot its outcome, or the interruption that has ended its work alone.

    Raises:
        UnlikeMembersError: They must be trained one by one. Their trials may be open: claim the slots anew.
    """
    first, *others = contexts
    leader = begin_trial(first)
    if leader.progress.refused is not None:
        raise UnlikeMembersError(f"The leader cannot begin: {leader.progress.refused}")
    setup = leader.open_setup()
    _ask_leader(leader, setup)
    values = _shared_values(leader.progress.trial)
    found: dict[int, Outcome | Exception] = {}
    trials = {0: leader}
    for index, context in enumerate(others, start=1):
        try:
            trials[index] = begin_trial(context, values=values)
        except Exception as error:
            if not is_interruption(error):
                raise
            found[index] = error
    ends = fit_at_once(setup, [_request(trial) for trial in trials.values()], at_once=_count_at_once(first))
    for (index, trial), end in zip(trials.items(), ends, strict=True):
        try:
            found[index] = trial.end(end if isinstance(end, Exception) else None)
        except Exception as error:  # noqa: BLE001 - an interruption of its own slot
            found[index] = error
    return [found[index] for index in range(len(contexts))]


def _count_at_once(context: JobContext) -> AtOnce:
    search = context.study.definition.search
    return search.at_once if search.cohort == "auto" else search.cohort


def _ask_leader(leader: BegunTrial, setup: TrainingSetup) -> None:
    """Let the leader draw its values, and refuse those of which no population can be made."""
    release_memory()
    seed_everything(0)
    try:
        model = setup.space.build(leader.progress.hyperparameters, leader.data.train.image_format)
    except Exception as error:
        if is_interruption(error):
            raise
        raise UnlikeMembersError(f"The leader's model cannot be built: {error}") from error
    refuse_alone(model, leader.data, setup.settle(leader.plan, leader.progress.hyperparameters))


def _shared_values(leader: optuna.Trial) -> dict[str, object]:
    """Return what followers take from the leader, by Optuna's names."""
    return {name: value for name, value in leader.params.items() if name.partition(" ")[0] not in FREE}


def _request(trial: BegunTrial) -> FitRequest:
    return replace(trial.request(), on_model=partial(_measure, trial), open_callbacks=None)


def _measure(trial: BegunTrial, model: keras.Model) -> None:
    """Measure what a member's model costs; one that is beyond a limit ends alone, with what was stored of it."""
    try:
        trial.progress.costs.measure(model)
    except (ConstraintViolatedError, CostUnknownError) as error:
        raise UnlikeMembersError(str(error)) from error
