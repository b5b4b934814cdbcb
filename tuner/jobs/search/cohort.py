"""Several trials of the search as one program: a leader draws freely, its followers share what decides the program.

Followers draw the learning rate and what else a program has as variables, and have seeds of their own; everything else
they take from the leader, as values that are given to a trial. Each is a trial as any other: with its slot and lease,
its curve, and its end.
"""

from collections.abc import Sequence
from dataclasses import replace

from tuner.jobs.context import JobContext
from tuner.jobs.fitting.at_once import fit_at_once, refuse_alone
from tuner.jobs.fitting.costs import ConstraintViolatedError, CostUnknownError
from tuner.jobs.fitting.fit import FitRequest
from tuner.jobs.fitting.setup import TrainingSetup
from tuner.jobs.interruptions import LetGoError, is_interruption
from tuner.jobs.search.trial import BegunTrial, begin_trial
from tuner.spaces.registry import FAMILIES
from tuner.studies.sections.search import AtOnce
from tuner.studies.slots.outcomes import Outcome
from tuner.training.free_numbers import DRAWN
from tuner.training.populations.train import UnlikeMembersError
from tuner.training.session import release_memory, seed_everything

#: Hyperparameters that followers draw; conditions may follow the name in Optuna.
FREE = ("learning_rate", "lr")
#: Those of our own families besides, where the names are known to mean free numbers.
FREE_OF_FAMILIES = ("dropout", "block_dropout", "momentum", "weight_decay", "label_smoothing")
#: Those that a definition's tables have ranges for.
FREE_OF_REGIME = (
    "training.label_smoothing",
    "training.weight_decay",
    *(f"augmentation.{name}" for kind in DRAWN for name in kind),
)
#: Trials that are leased at once where the number that is trained at once is found by trying.
LARGEST_COHORT = 8


def run_cohort(contexts: Sequence[JobContext]) -> list[Outcome | Exception]:
    """Do the work of search slots, the first of which leads.

    Followers begin once the leader's model is known to keep the study's limits: beyond them it ends alone, and none of
    them takes its values.

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
    try:
        _ask_leader(leader, setup)
    except (ConstraintViolatedError, CostUnknownError) as error:
        return [leader.end(error), *(LetGoError() for _ in others)]
    values = _shared_values(leader)
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
    """Let the leader draw its values, and refuse those of which no population can be made.

    Raises:
        ConstraintViolatedError: Its model is beyond a limit of the study.
        CostUnknownError: An objective or a limit of the study cannot be measured of it.
        UnlikeMembersError: It must be trained alone.
    """
    release_memory()
    seed_everything(0)
    try:
        model = setup.space.build(leader.progress.hyperparameters, leader.data.train.image_format)
    except Exception as error:
        if is_interruption(error):
            raise
        raise UnlikeMembersError(f"The leader's model cannot be built: {error}") from error
    refuse_alone(model, leader.data, setup.settle(leader.plan, leader.progress.hyperparameters))
    leader.progress.costs.measure(model)


def _shared_values(leader: BegunTrial) -> dict[str, object]:
    """Return what followers take from the leader, by Optuna's names.

    What it has switched off by a 0 stays off: a net with dropout is another net.
    """
    space = leader.context.study.definition.space
    free = {*FREE, *FREE_OF_REGIME, *(FREE_OF_FAMILIES if space in FAMILIES else ())}
    drawn = leader.progress.trial.params
    return {name: value for name, value in drawn.items() if name.partition(" ")[0] not in free or value == 0}


def _request(trial: BegunTrial) -> FitRequest:
    return replace(trial.request(), on_model=trial.progress.costs.measure, open_callbacks=None)
