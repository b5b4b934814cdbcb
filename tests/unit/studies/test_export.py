import csv
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from support.objectives import ACCURACY

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.objectives import COSTS
from tuner.studies.records.export import export_trials, study_as_json
from tuner.studies.records.finals import ConfirmationRecord, EnsembleRecord, FinalRecord, RetrainRecord
from tuner.studies.records.study import Failure, StudyRecord
from tuner.studies.records.trial import FoldRecord, TrialRecord

#: As older versions stored it.
NOTHING_BESIDE = {"parameters": None, "size_bytes": None, "latency_ms": None, "others": {}}
BEGUN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def epoch(number: int, val_accuracy: float | None, *, loss: float = 0.5) -> Epoch:
    return Epoch(epoch=number, loss=loss, accuracy=0.8, val_loss=0.4, val_accuracy=val_accuracy)


COMPLETE = TrialRecord(
    number=0,
    state="complete",
    score=0.97,
    best_epoch=2,
    hyperparameters={"units": 64, "optimizer": "adam", "batch_normalization": True},
    seed=11,
    attempts=2,
    workers=("a1", "b2"),
    started_at=BEGUN.astimezone(timezone(timedelta(hours=1))),
    finished_at=BEGUN + timedelta(seconds=90),
    duration_s=90.0,
    curve=(epoch(1, 0.9), epoch(2, 0.97)),
    notes=("It ended by its time limit.",),
)
FAILED = TrialRecord(
    number=1,
    state="failed",
    score=None,
    best_epoch=None,
    hyperparameters={"units": 8, "dropout": math.nan},
    seed=12,
    attempts=1,
    workers=("a1",),
    started_at=BEGUN,
    finished_at=BEGUN,
    duration_s=0.0,
    curve=(epoch(1, None, loss=math.nan),),
    failure=Failure(kind="nan_loss", message="The loss became NaN in epoch 1.", traceback="Traceback …"),
)
WAITING = TrialRecord(
    number=2,
    state="waiting",
    score=None,
    best_epoch=None,
    hyperparameters={},
    seed=None,
    attempts=0,
    workers=(),
    started_at=None,
    finished_at=None,
    duration_s=None,
    curve=(),
)


def retrained(state: Any, test_accuracy: float | None, *, failure: Failure | None = None) -> RetrainRecord:
    return RetrainRecord(
        seed=5,
        state=state,
        test_accuracy=test_accuracy,
        val_accuracy=None,
        curve=(),
        bundle="bundles/5",
        predictions=None,
        failure=failure,
    )


FINAL = FinalRecord(
    rank=1,
    trial=0,
    hyperparameters={"units": 64},
    mean_score=0.968,
    augmented=True,
    runs=(
        retrained("complete", 0.99),
        retrained("failed", None, failure=Failure(kind="out_of_memory", message="The GPU is full.")),
    ),
    test_accuracy_mean=0.99,
    test_accuracy_sd=None,
    bundle="bundles/5",
)
STUDY = StudyRecord(
    name="mnist-mlp",
    space="mlp",
    dataset="mnist",
    seed=0,
    state="finals",
    budget=3,
    objective=ACCURACY,
    definition={"finals": {"top": 1}},
    class_names=("0", "1"),
    provenance={},
    created_at=BEGUN,
    trials=(COMPLETE, FAILED, WAITING),
    finals=(FINAL,),
    without_augmentation=None,
    ensemble=EnsembleRecord(members=1, test_accuracy=0.991, predictions="predictions/e", bundle="bundles/e"),
    confirmations=(
        ConfirmationRecord(
            trial=0,
            repeat=2,
            seed=3,
            state="failed",
            score=None,
            failure=Failure(kind="builder_error", message="nets.py:41 in build: ValueError: no"),
        ),
    ),
)
#: What `tuner study show` says of the one final.
SHOWN_FINAL = {
    "rank": 1,
    "trial": 0,
    "hyperparameters": {"units": 64},
    "score_mean": 0.968,
    "val_accuracy_mean": 0.968,
    "test_accuracy_mean": 0.99,
    "test_accuracy_sd": None,
    "test_score_mean": None,
    "test_score_sd": None,
    "test_others": {},
    "repeats": 1,
    **NOTHING_BESIDE,
    "bundle": "bundles/5",
    "bundle_location": "/store/bundles/5",
}


def test_json_holds_every_trial_with_its_curve(tmp_path: Path) -> None:
    export_trials(STUDY, tmp_path / "trials.json")

    trials = json.loads((tmp_path / "trials.json").read_text())
    assert [trial["number"] for trial in trials] == [0, 1, 2]
    assert trials[0] == {
        "number": 0,
        "state": "complete",
        "score": 0.97,
        "score_sd": None,
        "best_epoch": 2,
        "hyperparameters": {"units": 64, "optimizer": "adam", "batch_normalization": True},
        "seed": 11,
        "attempts": 2,
        "workers": ["a1", "b2"],
        "started_at": "2026-03-01T12:00:00+00:00",
        "finished_at": "2026-03-01T12:01:30+00:00",
        "duration_s": 90.0,
        "curve": [
            {
                "epoch": 1,
                "loss": 0.5,
                "accuracy": 0.8,
                "val_loss": 0.4,
                "val_accuracy": 0.9,
                "score": None,
                "images": None,
            },
            {
                "epoch": 2,
                "loss": 0.5,
                "accuracy": 0.8,
                "val_loss": 0.4,
                "val_accuracy": 0.97,
                "score": None,
                "images": None,
            },
        ],
        "folds": [],
        "failure": None,
        "notes": ["It ended by its time limit."],
        "varied": None,
        "repeat": None,
        **NOTHING_BESIDE,
    }
    assert trials[1]["failure"] == {"kind": "nan_loss", "message": "The loss became NaN in epoch 1."}


def test_what_is_no_number_is_null_in_json(tmp_path: Path) -> None:
    export_trials(STUDY, tmp_path / "trials.json")

    text = (tmp_path / "trials.json").read_text()
    failed = json.loads(text)[1]
    assert ": NaN" not in text
    assert failed["curve"][0]["loss"] is None
    assert failed["hyperparameters"]["dropout"] is None


def test_csv_has_a_row_for_each_trial_and_a_column_for_each_hyperparameter(tmp_path: Path) -> None:
    export_trials(STUDY, tmp_path / "trials.csv")

    with (tmp_path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-4:] == ["hp_batch_normalization", "hp_dropout", "hp_optimizer", "hp_units"]
    assert (rows[0]["score"], rows[0]["workers"], rows[0]["hp_units"]) == ("0.97", "a1 b2", "64")
    assert rows[0]["started_at"] == "2026-03-01T12:00:00+00:00"
    assert (rows[1]["state"], rows[1]["score"], rows[1]["hp_dropout"], rows[1]["hp_optimizer"]) == (
        "failed",
        "",
        "",
        "",
    )


def test_folds_have_a_column_each_in_csv_and_a_curve_each_in_json(tmp_path: Path) -> None:
    folds = tuple(
        FoldRecord(number=number, score=score, best_epoch=1, curve=(epoch(1, score),))
        for number, score in enumerate((0.5, 1.0), start=1)
    )
    study = replace(STUDY, trials=(replace(COMPLETE, score=0.75, best_epoch=None, folds=folds), WAITING))

    for name in ("trials.csv", "trials.json"):
        export_trials(study, tmp_path / name)

    with (tmp_path / "trials.csv").open(newline="") as file:
        first, waiting = csv.DictReader(file)
    assert (first["score"], first["fold_1"], first["fold_2"]) == ("0.75", "0.5", "1.0")
    assert (waiting["score_sd"], waiting["fold_1"]) == ("", "")
    trial, _ = json.loads((tmp_path / "trials.json").read_text())
    assert trial["score_sd"] == float(first["score_sd"]) == pytest.approx(0.35355339)
    assert [(fold["fold"], fold["score"], fold["best_epoch"]) for fold in trial["folds"]] == [(1, 0.5, 1), (2, 1.0, 1)]
    assert trial["folds"][1]["curve"][0]["val_accuracy"] == 1.0
    best = study_as_json(study, ArtifactStore("/store"))["best"]
    assert (best["epoch"], best["folds"]) == (None, [0.5, 1.0])


def test_a_study_without_trials_exports_a_header_alone(tmp_path: Path) -> None:
    export_trials(replace(STUDY, trials=()), tmp_path / "trials.csv")

    assert (tmp_path / "trials.csv").read_text().startswith("number,state,score")
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 1


def test_an_export_replaces_an_older_file_and_leaves_no_other(tmp_path: Path) -> None:
    (tmp_path / "trials.csv").write_text("old")

    export_trials(STUDY, tmp_path / "trials.csv")

    assert [file.name for file in tmp_path.iterdir()] == ["trials.csv"]
    assert "old" not in (tmp_path / "trials.csv").read_text()


def test_an_unknown_ending_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(TunerError, match=r"trials\.xlsx: expected a file name that ends in \.csv or \.json"):
        export_trials(STUDY, tmp_path / "trials.xlsx")


def test_a_study_as_json_has_the_keys_that_scripts_rely_on() -> None:
    values = json.loads(json.dumps(study_as_json(STUDY, ArtifactStore("/store")), allow_nan=False))

    search = {"stage": "search", "augmented": None, "repeat": None, "for_curve": False}
    confirm = {"stage": "confirm", "augmented": None, "for_curve": False}
    assert values == {
        "name": "mnist-mlp",
        "space": "mlp",
        "dataset": "mnist",
        "seed": 0,
        "priority": 0,
        "weight": 1.0,
        "max_workers": None,
        "search_ended": None,
        "finals_ended": None,
        "state": "finals",
        "budget": 3,
        "objective": {"name": "accuracy", "direction": "maximize", "label": "validation accuracy"},
        "objectives": [{"name": "accuracy", "direction": "maximize", "label": "validation accuracy"}],
        "front": [],
        "trials": {"complete": 1, "pruned": 0, "failed": 1, "running": 0, "waiting": 1},
        "best": {
            "number": 0,
            "score": 0.97,
            "score_sd": None,
            "folds": [],
            "epoch": 2,
            **NOTHING_BESIDE,
            "hyperparameters": {"units": 64, "optimizer": "adam", "batch_normalization": True},
        },
        "winner": SHOWN_FINAL,
        "finals": [SHOWN_FINAL],
        "ensemble": {
            "members": 1,
            "test_accuracy": 0.991,
            "test_score": None,
            "test_others": {},
            "bundle": "bundles/e",
            "bundle_location": "/store/bundles/e",
        },
        "failures": [
            search | {"trial": 1, "kind": "nan_loss", "message": "The loss became NaN in epoch 1."},
            confirm
            | {"trial": 0, "repeat": 2, "kind": "builder_error", "message": "nets.py:41 in build: ValueError: no"},
            {
                "stage": "retrain",
                "trial": 0,
                "repeat": 2,
                "augmented": True,
                "for_curve": False,
                "kind": "out_of_memory",
                "message": "The GPU is full.",
            },
        ],
        "notes": [search | {"trial": 0, "note": "It ended by its time limit."}],
        "factors": [],
        "stop_reason": None,
        "pixels": None,
        "definition": {"finals": {"top": 1}},
    }


def test_a_front_is_told_with_its_costs_and_its_knee(tmp_path: Path) -> None:
    reached = ((0.80, 1_000), (0.97, 2_000), (0.98, 50_000), (0.90, 3_000))
    trials = tuple(
        replace(COMPLETE, number=number, score=score, costs={"parameters": float(n), "latency_ms": 0.25})
        for number, (score, n) in enumerate(reached)
    )
    study = replace(STUDY, trials=trials, others=(COSTS["parameters"],))

    values = study_as_json(study, ArtifactStore("/store"))
    export_trials(study, tmp_path / "trials.csv")

    told = [(one["number"], one["parameters"], one["is_knee"]) for one in values["front"]]
    assert told == [(2, 50_000, False), (1, 2_000, True), (0, 1_000, False)]
    assert [one["name"] for one in values["objectives"]] == ["accuracy", "parameters"]
    assert values["best"]["parameters"] == 50_000
    with (tmp_path / "trials.csv").open(newline="") as file:
        rows = [(row["parameters"], row["size_bytes"], row["latency_ms"]) for row in csv.DictReader(file)]
    assert rows[0] == ("1000", "", "0.25")


def test_a_failed_ensemble_is_among_the_failures() -> None:
    failure = Failure(kind="training_error", message="The disk is gone.")

    values = study_as_json(replace(STUDY, ensemble=None, ensemble_failure=failure), ArtifactStore("/store"))

    assert values["failures"][-1] == {
        "stage": "ensemble",
        "trial": None,
        "repeat": None,
        "augmented": None,
        "for_curve": False,
        "kind": "training_error",
        "message": "The disk is gone.",
    }


def test_a_study_that_has_just_begun_has_no_best_and_no_ensemble() -> None:
    values = study_as_json(replace(STUDY, trials=(WAITING,), finals=(), ensemble=None), ArtifactStore("/store"))

    assert values["best"] is None
    assert values["winner"] is None
    assert values["finals"] == []
    assert values["ensemble"] is None
