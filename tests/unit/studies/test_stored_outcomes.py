"""What slots store reads back as it was, and what older versions stored reads too."""

import json
import math

import pytest

from tuner.epochs import Epoch
from tuner.objectives import OBJECTIVES
from tuner.studies.slots.outcomes import (
    ConfirmJob,
    ConfirmOutcome,
    EnsembleJob,
    EnsembleOutcome,
    Failure,
    FoldResult,
    Job,
    Outcome,
    RetrainJob,
    RetrainOutcome,
    SearchJob,
    SearchOutcome,
    Stage,
    failed_outcome,
    list_files,
    mean_over,
)
from tuner.studies.slots.stored_outcomes import curve_to_json, read_curve, read_job, read_outcome, read_scores, to_json

CURVE = (
    Epoch(epoch=1, loss=0.5, accuracy=0.75, val_loss=None, val_accuracy=0.5, learning_rate=0.001, duration_s=2.0),
    Epoch(epoch=2, loss=0.25, accuracy=1.0, val_loss=0.5, val_accuracy=0.75),
)
FOLDS = (FoldResult(score=0.5, best_epoch=1, n_epochs=1), FoldResult(score=0.75, best_epoch=2, n_epochs=1))
FAILURE = Failure(kind="nan_loss", message="The loss is NaN.", traceback="")
#: Whole numbers that are floats stay what they are, and so do keys in their order.
VALUES = {"units": 10**16, "rate": 1e16, "act": "relu", "norm": False}

JOBS: list[tuple[Stage, Job]] = [
    ("search", SearchJob()),
    ("search", SearchJob(values=VALUES)),
    ("search", SearchJob(extension="e5c1")),
    ("confirm", ConfirmJob(trial=3, hyperparameters=VALUES, repeat=0, seed=7)),
    (
        "retrain",
        RetrainJob(trial=3, hyperparameters={}, repeat=1, seed=7, augmented=False, val_accuracy_mean=0.9),
    ),
    ("ensemble", EnsembleJob(slots=(4, 5))),
    ("ensemble", EnsembleJob(slots=(4,), left_out=2)),
]
OUTCOMES: list[tuple[Stage, Outcome]] = [
    (
        "search",
        SearchOutcome(
            state="pruned", score=0.75, best_epoch=2, hyperparameters=VALUES, curve=CURVE, notes=("Once.",)
        ),
    ),
    ("search", SearchOutcome(state="complete", score=0.0, best_epoch=1, ended="timeout")),
    ("search", SearchOutcome(state="failed", hyperparameters=VALUES, failure=FAILURE)),
    ("search", SearchOutcome(state="pruned", score=0.5, curve=CURVE, folds=FOLDS)),
    ("confirm", ConfirmOutcome(state="complete", score=0.5, curve=CURVE, folds=FOLDS)),
    ("confirm", ConfirmOutcome(state="complete", score=0.75, best_epoch=2, hyperparameters=VALUES, curve=CURVE)),
    (
        "retrain",
        RetrainOutcome(
            state="complete", test_accuracy=0.0, val_accuracy=0.5, curve=CURVE, bundle="b", predictions="p",
            validation_predictions="v", augmented=False, notes=("One.", "Two."),
        ),
    ),
    ("ensemble", EnsembleOutcome(state="complete", members=2, test_accuracy=0.9, predictions="p", bundle="b")),
    ("ensemble", EnsembleOutcome(state="complete", members=2, notes=("Not built.",))),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "job"), JOBS)
def test_a_job_reads_back_from_its_json_as_it_was(stage: Stage, job: Job) -> None:
    stored = json.loads(json.dumps(to_json(job)))

    assert read_job(stage, stored) == job


@pytest.mark.parametrize(("stage", "outcome"), OUTCOMES)
def test_an_outcome_reads_back_from_its_json_and_its_curve_as_it_was(stage: Stage, outcome: Outcome) -> None:
    stored, curve = json.loads(json.dumps([to_json(outcome), curve_to_json(outcome)]))

    read = read_outcome(stage, stored, read_curve(curve))

    assert read == outcome
    assert repr(read) == repr(outcome)
    assert "curve" not in stored


def test_numbers_that_are_none_or_infinite_are_kept_in_json_that_postgres_takes() -> None:
    curve = (Epoch(epoch=1, loss=0.5, accuracy=0.5, val_loss=math.inf, val_accuracy=math.nan),)
    outcome = RetrainOutcome(state="complete", test_accuracy=0.5, val_accuracy=math.nan, curve=curve)

    stored, of_curve = json.loads(json.dumps([to_json(outcome), curve_to_json(outcome)], allow_nan=False))

    assert repr(read_outcome("retrain", stored, read_curve(of_curve))) == repr(outcome)
    (scored,) = read_scores(of_curve, OBJECTIVES["accuracy"])
    assert math.isnan(scored.val_accuracy or 0.0)


def test_a_score_that_is_infinite_is_a_number_in_jobs_and_folds_too() -> None:
    # A validation loss may be, while the training loss is not.
    folds = (FoldResult(score=math.inf, best_epoch=1, n_epochs=1), FOLDS[1])
    job = RetrainJob(trial=3, hyperparameters={}, repeat=1, seed=7, augmented=True, val_accuracy_mean=mean_over(folds))
    outcome = ConfirmOutcome(state="complete", score=mean_over(folds), folds=folds)

    stored = json.loads(json.dumps([to_json(job), to_json(outcome)], allow_nan=False))

    assert read_job("retrain", stored[0]) == job
    assert read_outcome("confirm", stored[1]) == outcome


def test_the_json_has_the_keys_that_it_had_in_0_1_0() -> None:
    job = RetrainJob(trial=3, hyperparameters={"n": 1}, repeat=1, seed=7, augmented=False, val_accuracy_mean=0.9)
    failed = SearchOutcome(state="failed", failure=Failure(kind="nan_loss", message="NaN."))

    assert to_json(job) == {
        "trial": 3, "hyperparameters": {"n": 1}, "repeat": 1, "seed": 7, "augmented": False, "val_accuracy_mean": 0.9,
    }  # fmt: skip
    assert to_json(failed) == {
        "state": "failed", "failure": {"kind": "nan_loss", "message": "NaN.", "traceback": ""},
    }  # fmt: skip
    assert to_json(EnsembleJob(slots=(4, 5))) == {"slots": [4, 5]}
    assert to_json(SearchJob()) == {}


@pytest.mark.parametrize("stage", ["search", "confirm", "retrain", "ensemble"])
def test_what_an_older_version_left_out_or_a_newer_one_added_is_no_obstacle(stage: Stage) -> None:
    older = {"state": "failed", "failure": {"kind": "orphaned", "message": "It ran without a slot."}}
    newer = older | {"medal": "gold", "failure": older["failure"] | {"culprit": "me"}}

    expected = failed_outcome(stage, Failure(kind="orphaned", message="It ran without a slot."))
    assert read_outcome(stage, older) == read_outcome(stage, newer) == expected


def test_a_retraining_of_0_1_0_did_not_say_whether_it_was_augmented_and_its_job_had_a_rank() -> None:
    outcome = read_outcome("retrain", {"state": "complete", "test_accuracy": 0.9, "val_accuracy": None, "bundle": "b"})
    job = read_job(
        "retrain",
        {"rank": 1, "trial": 1, "hyperparameters": {}, "repeat": 0, "seed": 5, "augmented": True,
         "val_accuracy_mean": 0.5},
    )  # fmt: skip

    assert (outcome.augmented, outcome.test_accuracy, outcome.notes) == (None, 0.9, ())
    assert (job.trial, job.augmented) == (1, True)


def test_characters_that_no_database_keeps_are_escaped_wherever_they_are() -> None:
    outcome = SearchOutcome(
        state="failed",
        hyperparameters={"caf\udce9": "\0"},
        notes=("\ud800",),
        failure=Failure(kind="k", message="\0", traceback="\udce9"),
    )

    assert json.dumps(to_json(outcome), ensure_ascii=False).encode() == (
        b'{"state": "failed", "hyperparameters": {"caf\\\\udce9": "\\\\x00"}, "notes": ["\\\\ud800"], '
        b'"failure": {"kind": "k", "message": "\\\\x00", "traceback": "\\\\udce9"}}'
    )


def test_the_files_of_outcomes_are_those_of_retrainings_and_ensembles() -> None:
    outcomes = [outcome for _, outcome in OUTCOMES]

    assert list(list_files(outcomes)) == ["b", "p", "v", "b", "p"]
