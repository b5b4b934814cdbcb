"""Plan the jobs that a study needs next: confirmations, retrainings, the ensemble.

Planning compares the slots that exist with those that the study needs and creates the missing ones. So any worker may
repeat it at any time, and it continues by itself after a study was extended or asked for more finals.
"""

from collections.abc import Sequence
from typing import TypeVar

from tuner.errors import TunerError
from tuner.jobs.finals.members import choose_members
from tuner.objectives import Measure, Objective
from tuner.plain_values import Hyperparameters
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.lifecycle import Study
from tuner.studies.ranking import best_trials, confirmed_scores, mean_scores
from tuner.studies.seeds import final_seed
from tuner.studies.slots.outcomes import (
    ConfirmJob,
    EnsembleJob,
    Job,
    RetrainJob,
    RetrainOutcome,
    SearchOutcome,
    Stage,
)
from tuner.studies.slots.slot import ConfirmSlot, EnsembleSlot, RetrainSlot, SearchSlot, Slot
from tuner.studies.stages import begin_next_stage, has_next_stage, has_scored_trial

FinalJob = TypeVar("FinalJob", ConfirmJob, RetrainJob)


class NoFinalsError(TunerError):
    """The study can have no finals."""


def refuse_impossible_finals(storage: Storage, study: Study, *, top: int | None) -> None:
    """Refuse a request for finals that could never run.

    Raises:
        NoFinalsError: No trial has a score, or the study asks for no finals.
    """
    if not has_scored_trial(storage, study):
        raise NoFinalsError(
            f"Study {study.name!r} can have no finals: none of its trials has a "
            f"{study.definition.objective.label}. "
            f"`tuner study show {study.name}` says why."
        )
    if not (top or study.definition.finals.top):
        raise NoFinalsError(
            f"Study {study.name!r} asks for no finals (finals.top is 0). Say how many you want, as in `--top 3`."
        )


def lacks_finals(storage: Storage, study: Study) -> bool:
    """Return whether finals that the study asks for are still missing."""
    return has_next_stage(storage, study, plan_next_jobs)


def advance_study(storage: Storage, study: Study) -> bool:
    """Create the slots of the next stage when the present stage is over, or mark the study as done.

    Nothing happens while slots are waiting or leased, or if another worker has already done it.

    Returns:
        Whether slots were created, see `begin_next_stage`.
    """
    return begin_next_stage(storage, study, plan_next_jobs)


def plan_next_jobs(
    definition: StudyDefinition, of_study: Sequence[Slot], /, *, is_over: bool = False
) -> tuple[Stage, list[Job]] | None:
    """Return the missing jobs of the next stage, or None if the study has everything that it asks for.

    Args:
        definition: The study's definition.
        of_study: The study's slots. Of the search, the best ones are enough; curves are not needed.
        is_over: Whether the time of the finals is over: only the models that are tested vote.
    """
    if definition.finals.top == 0:
        return None
    confirmations = [] if is_over else _missing(_confirmations(definition, of_study), of_study)
    if confirmations:
        return "confirm", [*confirmations]
    retrainings = [] if is_over else _missing(_retrainings(definition, of_study), of_study)
    if retrainings:
        return "retrain", [*retrainings]
    vote = _vote(of_study, definition.objective)
    if vote.slots and not any(isinstance(slot, EnsembleSlot) and slot.job.slots == vote.slots for slot in of_study):
        return "ensemble", [vote]
    return None


def _missing(wanted: Sequence[FinalJob], of_study: Sequence[Slot]) -> list[FinalJob]:
    existing = {_key(slot.job) for slot in of_study if isinstance(slot, ConfirmSlot | RetrainSlot)}
    return [job for job in wanted if _key(job) not in existing]


def _key(job: ConfirmJob | RetrainJob) -> tuple[int, int, bool | None, bool]:
    if isinstance(job, RetrainJob):
        return job.trial, job.repeat, job.augmented, job.for_curve
    return job.trial, job.repeat, None, False


def _confirmations(definition: StudyDefinition, of_study: Sequence[Slot]) -> list[ConfirmJob]:
    finals = definition.finals
    return [
        ConfirmJob(
            trial=trial,
            hyperparameters=slot.outcome.hyperparameters,
            repeat=repeat,
            seed=final_seed(definition.seed, "confirm", trial, repeat),
            costs=slot.outcome.costs if definition.others else {},
            others=slot.outcome.others,
        )
        for slot in best_trials(of_study, definition.objective, definition.others)[: finals.candidates]
        if slot.outcome and (trial := slot.trial_number) is not None
        for repeat in range(finals.confirm_repeats)
    ]


def _retrainings(definition: StudyDefinition, of_study: Sequence[Slot]) -> list[RetrainJob]:
    finals = definition.finals
    measures = definition.objective, definition.others
    ranked = confirmed_scores(of_study, *measures) or _search_scores(of_study, *measures)
    best = list(ranked)[: finals.top]
    wanted = [(trial, True, False, repeat) for trial in best for repeat in range(finals.repeats)]
    if finals.compare_augmentation and best and _is_augmented(definition, of_study, best[0]):
        wanted += [(best[0], False, False, repeat) for repeat in range(finals.repeats)]
    if finals.draws_validation_curves:
        # With the seed of the first repeat, from which it then differs in its images alone.
        wanted += [(trial, True, True, 0) for trial in best if _lacks_validation(definition, of_study, trial)]
    hyperparameters, sources = _hyperparameters(of_study), _sources_beside(of_study) if definition.others else {}
    return [
        RetrainJob(
            trial=trial,
            hyperparameters=hyperparameters[trial],
            repeat=repeat,
            # The same seed with and without augmentation, so that the comparison differs in nothing else.
            seed=final_seed(definition.seed, "retrain", trial, repeat),
            augmented=augmented,
            val_accuracy_mean=ranked[trial],
            for_curve=for_curve,
            costs=sources[trial].costs if trial in sources else {},
            others=sources[trial].others if trial in sources else {},
        )
        for trial, augmented, for_curve, repeat in wanted
    ]


def _search_scores(of_study: Sequence[Slot], objective: Objective, others: Sequence[Measure]) -> dict[int, float]:
    """Return the scores of the search by trial number, in the order in which finals are chosen."""
    return {
        slot.trial_number: slot.outcome.score
        for slot in best_trials(of_study, objective, others)
        if slot.trial_number is not None and slot.outcome and slot.outcome.score is not None
    }


def _hyperparameters(of_study: Sequence[Slot]) -> dict[int, Hyperparameters]:
    """Return the values of each configuration that may become a final, by trial number."""
    searched = {
        slot.trial_number: slot.outcome.hyperparameters
        for slot in of_study
        if isinstance(slot, SearchSlot) and slot.outcome and slot.trial_number is not None
    }
    # After an extension, a confirmed configuration may no longer be among the best of the search.
    return searched | {slot.job.trial: slot.job.hyperparameters for slot in of_study if isinstance(slot, ConfirmSlot)}


def _sources_beside(of_study: Sequence[Slot]) -> dict[int, SearchOutcome | ConfirmJob]:
    """Return what holds the values beside the score of the same configurations."""
    sources: dict[int, SearchOutcome | ConfirmJob] = {
        slot.trial_number: slot.outcome
        for slot in of_study
        if isinstance(slot, SearchSlot) and slot.outcome and slot.trial_number is not None
    }
    return sources | {slot.job.trial: slot.job for slot in of_study if isinstance(slot, ConfirmSlot)}


def _is_augmented(definition: StudyDefinition, of_study: Sequence[Slot], trial: int) -> bool:
    """Return whether retraining this trial augments its images; the user's own `fit` may not support augmentation.

    For a user's own builder this is known after a retraining.
    """
    if definition.finals.augmentation.is_off:
        return False
    if ":" not in definition.space:
        return True
    complete = _complete_retrainings(of_study, trial)
    return bool(complete) and all(outcome.augmented is not False for outcome in complete)


def _lacks_validation(definition: StudyDefinition, of_study: Sequence[Slot], trial: int) -> bool:
    """Return whether retraining this trial leaves no validation images; the user's own `fit` always receives them.

    For a user's own builder this is known after a retraining.
    """
    if ":" not in definition.space:
        return True
    complete = _complete_retrainings(of_study, trial)
    return bool(complete) and all(outcome.val_accuracy is None for outcome in complete)


def _complete_retrainings(of_study: Sequence[Slot], trial: int) -> list[RetrainOutcome]:
    return [
        slot.outcome
        for slot in of_study
        if isinstance(slot, RetrainSlot)
        and slot.job.trial == trial
        and not slot.job.for_curve
        and slot.outcome
        and slot.outcome.state == "complete"
    ]


def _vote(of_study: Sequence[Slot], objective: Objective) -> EnsembleJob:
    """Return the ensemble of all tested models that are good enough, as measured without the test set.

    If a model has no held-out accuracy, its configuration's score is used instead, if the score is an accuracy.
    """
    accuracies = mean_scores(of_study, objective) if objective.is_accuracy else {}
    tested = []
    for slot in of_study:
        if isinstance(slot, RetrainSlot) and slot.job.augmented and slot.outcome:
            held_out = slot.outcome.val_accuracy
            if slot.outcome.test_accuracy is not None:
                tested.append((slot.id, accuracies.get(slot.job.trial) if held_out is None else held_out))
    members = choose_members([accuracy for _, accuracy in tested])
    return EnsembleJob(slots=tuple(tested[position][0] for position in members), left_out=len(tested) - len(members))
