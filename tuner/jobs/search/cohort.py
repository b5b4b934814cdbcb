"""Several trials of the search as one program: a leader draws freely, its followers share what decides the program.

Followers draw the learning rate alone, and have seeds of their own; everything else they take from the leader, as
values that are given to a trial. Each is a trial as any other: with its slot and lease, its curve, and its end.
"""

from collections.abc import Sequence
from functools import partial

import keras
import optuna

from tuner.jobs.context import JobContext
from tuner.jobs.fitting.at_once import FitRequest, FitTogether
from tuner.jobs.fitting.costs import ConstraintViolatedError, CostUnknownError
from tuner.jobs.fitting.regime import search_regime
from tuner.jobs.interruptions import is_interruption
from tuner.jobs.search.trial import BegunTrial, begin_trial
from tuner.jobs.study.scoring import open_scoring
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
    together = _share(leader)
    _ask_leader(leader, together)
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
    ends = together.fit([_request(trial) for trial in trials.values()])
    for (index, trial), end in zip(trials.items(), ends, strict=True):
        try:
            found[index] = trial.end(end if isinstance(end, Exception) else None)
        except Exception as error:  # noqa: BLE001 - an interruption of its own slot
            found[index] = error
    return [found[index] for index in range(len(contexts))]


def _share(leader: BegunTrial) -> FitTogether:
    definition = leader.context.study.definition
    return FitTogether(
        space=leader.open_space(),
        regime=search_regime(definition),
        objective=definition.objective,
        scoring=open_scoring(definition, leader.context.study.provenance),
        initial=leader.initial,
        at_once=definition.search.at_once if definition.search.cohort == "auto" else definition.search.cohort,
    )


def _ask_leader(leader: BegunTrial, together: FitTogether) -> None:
    """Let the leader draw its values, and refuse those of which no population can be made."""
    release_memory()
    seed_everything(0)
    try:
        model = together.space.build(leader.progress.hyperparameters, leader.data.train.image_format)
    except Exception as error:
        if is_interruption(error):
            raise
        raise UnlikeMembersError(f"The leader's model cannot be built: {error}") from error
    together.refuse_alone(model, leader.data, together.settle(leader.plan, leader.progress.hyperparameters))


def _shared_values(leader: optuna.Trial) -> dict[str, object]:
    """Return what followers take from the leader, by Optuna's names."""
    return {name: value for name, value in leader.params.items() if name.partition(" ")[0] not in FREE}


def _request(trial: BegunTrial) -> FitRequest:
    return FitRequest(
        hyperparameters=trial.progress.hyperparameters,
        data=trial.data,
        plan=trial.plan,
        on_epoch=trial.on_epoch,
        on_note=trial.progress.notes.append,
        checkpoint=trial.context.checkpoint,
        on_model=partial(_measure, trial),
    )


def _measure(trial: BegunTrial, model: keras.Model) -> None:
    """Measure what a member's model costs; one that is beyond a limit ends alone, with what was stored of it."""
    try:
        trial.progress.costs.measure(model)
    except (ConstraintViolatedError, CostUnknownError) as error:
        raise UnlikeMembersError(str(error)) from error
