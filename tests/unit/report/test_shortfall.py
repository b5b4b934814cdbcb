import dataclasses
from pathlib import Path
from typing import Any

import pytest
from support.report_sample import finished_study, sample_trial, searching_study

from tuner.artifacts import ArtifactStore
from tuner.studies.records.finals import ConfirmationRecord, FinalRecord
from tuner.studies.records.shortfall import find_shortfall
from tuner.studies.records.study import StudyRecord
from tuner.studies.slots.outcomes import Failure

LINE = "nets.py:41 in fit: TypeError: cannot unpack non-iterable NoneType object"
FAILURE = Failure(kind="training_error", message=LINE)


@pytest.fixture
def study(tmp_path: Path) -> StudyRecord:
    """A study that has all it was asked for."""
    return finished_study(ArtifactStore(str(tmp_path)), n_trials=12, n_images=200)


def failing(final: FinalRecord, *repeats: int) -> FinalRecord:
    """The final as it is when retraining failed in these repeats."""
    runs = tuple(
        dataclasses.replace(run, state="failed", test_accuracy=None, bundle=None, failure=FAILURE)
        if n in repeats
        else run
        for n, run in enumerate(final.runs, start=1)
    )
    tested = [run.test_accuracy for run in runs if run.test_accuracy is not None]
    return dataclasses.replace(final, runs=runs, test_accuracy_mean=tested[0] if tested else None)


def test_a_study_with_all_its_finals_lacks_nothing(study: StudyRecord) -> None:
    assert find_shortfall(study) is None


@pytest.mark.parametrize("state", ["searching", "finals"])
def test_a_study_that_has_not_ended_lacks_nothing_yet(state: Any) -> None:
    assert find_shortfall(dataclasses.replace(searching_study(n_trials=3), state=state)) is None


def test_a_study_that_a_person_stopped_lacks_nothing_and_one_that_stopped_by_itself_does() -> None:
    stopped = dataclasses.replace(searching_study(n_trials=3), state="stopped")
    by_itself = dataclasses.replace(stopped, stop_reason=f"5 failures in a row, the last: {LINE}")

    told = find_shortfall(by_itself)

    assert find_shortfall(stopped) is None
    assert told == (
        f"it stopped by itself: 5 failures in a row, the last: {LINE}. "
        "Fix the cause, then continue with `tuner study resume mnist-cnn`."
    )


def test_trials_without_a_score_name_the_metric(study: StudyRecord) -> None:
    trials = tuple(dataclasses.replace(sample_trial(n), state="complete", score=None) for n in range(3))

    told = find_shortfall(dataclasses.replace(study, trials=trials, finals=(), ensemble=None))

    assert told is not None
    assert told.startswith(
        "none of its 3 trials has a validation accuracy. Compile the model with metrics=['accuracy']"
    )


def test_trials_that_all_failed_say_why(study: StudyRecord) -> None:
    trials = tuple(dataclasses.replace(sample_trial(n), state="failed", score=None, failure=FAILURE) for n in range(3))

    told = find_shortfall(dataclasses.replace(study, trials=trials, finals=(), ensemble=None))

    assert told is not None
    assert told.startswith(f"all 3 trials failed, the last: {LINE}. Fix the cause")


def test_failed_confirmations_are_told_where_there_are_no_finals(study: StudyRecord) -> None:
    failed = ConfirmationRecord(trial=3, repeat=1, seed=1, state="failed", score=None, failure=FAILURE)
    lacking = dataclasses.replace(
        study, finals=(), without_augmentation=None, ensemble=None, confirmations=(failed, failed)
    )

    assert find_shortfall(lacking) == (
        f"it has no finals: confirmation of trial 3, repeat 1: {LINE}. Fix the cause, then repeat what failed: "
        "`tuner finals mnist-cnn --until-done`."
    )


def test_one_failed_repeat_is_lacking(study: StudyRecord) -> None:
    first, *others = study.finals

    told = find_shortfall(dataclasses.replace(study, finals=(failing(first, 2), *others)))

    assert told is not None
    assert told.startswith(
        f"1 of 12 retrainings failed: retraining of trial {first.trial} with augmentation, repeat 2: {LINE}."
    )


def test_the_reason_is_of_the_stage_that_is_counted(study: StudyRecord) -> None:
    first, *others = study.finals
    earlier = Failure(kind="out_of_memory", message="No memory was left.")
    confirmation = ConfirmationRecord(trial=3, repeat=1, seed=1, state="failed", score=None, failure=earlier)

    told = find_shortfall(
        dataclasses.replace(study, finals=(failing(first, 2), *others), confirmations=(confirmation,))
    )

    assert told is not None
    assert told.startswith(f"1 of 12 retrainings failed: retraining of trial {first.trial} with augmentation")


def test_a_failed_ensemble_is_lacking(study: StudyRecord) -> None:
    told = find_shortfall(dataclasses.replace(study, ensemble=None, ensemble_failure=FAILURE))

    assert told is not None
    assert told.startswith(f"the ensemble failed: {LINE}.")


def test_a_study_that_asks_for_no_finals_lacks_none(study: StudyRecord) -> None:
    definition = {**study.definition, "finals": {"top": 0}}

    without = dataclasses.replace(study, definition=definition, finals=(), without_augmentation=None, ensemble=None)

    assert find_shortfall(without) is None


def test_the_winner_is_the_best_rank_that_was_tested(study: StudyRecord) -> None:
    first, second, third = study.finals
    waiting = dataclasses.replace(
        first, test_accuracy_mean=None, runs=tuple(dataclasses.replace(run, state="waiting") for run in first.runs)
    )

    winners = [
        dataclasses.replace(study, finals=(third, second, one)).winner
        for one in (first, failing(first, 1, 2, 3), waiting)
    ]

    assert winners == [first, second, None]
