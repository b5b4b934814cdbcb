"""One rule says which configurations are best."""

from support.made_slots import make_slot
from support.objectives import ACCURACY, LOSS

from tuner.studies.ranking import best_trials, confirmed_scores, mean_scores, rank_finals
from tuner.studies.slots.outcomes import ConfirmJob, ConfirmOutcome, Failure, RetrainJob, SearchJob, SearchOutcome
from tuner.studies.slots.slot import Slot


def confirmation(trial: int, score: float | None, *, slot_id: int = 0) -> Slot:
    job = ConfirmJob(trial=trial, hyperparameters={}, repeat=0, seed=1)
    failure = Failure(kind="nan_loss", message="-") if score is None else None
    outcome = ConfirmOutcome(state="complete" if score else "failed", score=score, failure=failure)
    return make_slot(slot_id, "confirm", job, outcome)


def retraining(trial: int, mean: float, *, augmented: bool = True) -> Slot:
    job = RetrainJob(trial=trial, hyperparameters={}, repeat=0, seed=1, augmented=augmented, val_accuracy_mean=mean)
    return make_slot(trial, "retrain", job)


def test_the_search_puts_complete_trials_first_and_the_earlier_of_equals() -> None:
    searched = [
        make_slot(number, "search", SearchJob(), SearchOutcome(state=state, score=score), number=number)
        for number, (state, score) in enumerate(
            [("pruned", 0.99), ("complete", 0.5), ("failed", None), ("complete", 0.75), ("complete", 0.75)]
        )
    ]

    assert [slot.trial_number for slot in best_trials(searched, ACCURACY)] == [3, 4, 1, 0]


def test_a_configuration_has_the_mean_of_its_confirmations_that_did_not_fail() -> None:
    slots = [confirmation(1, 0.5), confirmation(1, 0.75), confirmation(2, 0.7), confirmation(2, None)]
    slots += [confirmation(3, None)]

    assert confirmed_scores(slots, ACCURACY) == {2: 0.7, 1: 0.625}
    assert list(confirmed_scores(slots, ACCURACY)) == [2, 1]


def test_ranks_follow_the_confirmations_there_are_now_whatever_a_job_was_planned_by() -> None:
    planned = [retraining(1, 0.9), retraining(2, 0.8), retraining(1, 0.9, augmented=False)]
    slots = [*planned, confirmation(1, 0.6), confirmation(2, 0.8)]

    assert mean_scores(slots, ACCURACY) == {2: 0.8, 1: 0.6}
    assert rank_finals(slots, ACCURACY) == {2: 1, 1: 2}


def test_a_configuration_without_a_confirmation_comes_last_with_what_it_was_chosen_for() -> None:
    slots = [retraining(1, 0.99), retraining(2, 0.8), confirmation(1, None), confirmation(2, 0.7)]

    assert mean_scores(slots, ACCURACY) == {2: 0.7, 1: 0.99}
    assert rank_finals(slots, ACCURACY) == {2: 1, 1: 2}


def test_a_confirmed_configuration_that_is_not_retrained_has_no_rank() -> None:
    slots = [retraining(1, 0.9), retraining(3, 0.7), *(confirmation(trial, 1 - trial / 10) for trial in (1, 2, 3))]

    assert rank_finals(slots, ACCURACY) == {1: 1, 3: 2}


def test_where_less_is_better_the_search_and_the_finals_are_ranked_the_other_way_round() -> None:
    searched = [
        make_slot(number, "search", SearchJob(), SearchOutcome(state=state, score=score), number=number)
        for number, (state, score) in enumerate([("pruned", 0.1), ("complete", 0.5), ("complete", 0.2)])
    ]
    slots = [
        *(retraining(trial, planned) for trial, planned in ((1, 0.1), (2, 0.2), (3, 0.05))),
        *(confirmation(trial, loss) for trial, loss in ((1, 0.4), (1, 0.6), (2, 0.3), (3, None))),
    ]

    assert [slot.trial_number for slot in best_trials(searched, LOSS)] == [2, 1, 0]
    assert list(confirmed_scores(slots, LOSS)) == [2, 1]
    # Without a confirmation comes last, however good it was in the search.
    assert mean_scores(slots, LOSS) == {2: 0.3, 1: 0.5, 3: 0.05}
    assert list(mean_scores(slots, LOSS)) == [2, 1, 3]
    assert rank_finals(slots, LOSS) == {2: 1, 1: 2, 3: 3}
