"""What slots store of trainings by a worker in this process."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import read_bundle
from tuner.bundles.study_pictures import read_study_pictures
from tuner.jobs.creation import create_study
from tuner.jobs.finals import pictures
from tuner.jobs.finals.jobs import RETRAINED_ON_TRAIN
from tuner.jobs.fitting import time_limit
from tuner.jobs.replay import replay_trial
from tuner.jobs.study.data import DataPlaces
from tuner.studies.database.storage import open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.records.reading import load_study, read_slots
from tuner.studies.records.study import StudyRecord
from tuner.workers.loop import Worker, WorkerSettings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Sequence[Any], StudyRecord]]:
    """Search with a builder of `own_builders` until the study is done; return its slots and its record."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "support"))

    def search_with(builder: str, *overrides: str, name: str = "own") -> tuple[Sequence[Any], StudyRecord]:
        definition = make_definition(
            space=f"own_builders.{builder}",
            dataset="digits",
            name=name,
            trials=1,
            overrides=["search.train_images=200", "search.pruner=none", *overrides],
        )
        with open_storage(f"sqlite:///{tmp_path / 's.db'}") as storage:
            study = create_study(storage, definition, data_dir=tmp_path, check=False)
            settings = WorkerSettings(
                worker_id="w",
                studies=[name],
                device="cpu",
                places=DataPlaces(data_dir=tmp_path, cache_dir=tmp_path / "cache"),
                artifacts=ArtifactStore(str(tmp_path / "artifacts")),
                until_done=True,
                lease_s=30.0,
            )
            Worker(storage, settings).run()
            return read_slots(storage, study.id), load_study(storage, name)

    return search_with


def test_finals_give_a_fit_images_to_validate_on_and_say_what_they_left_out(
    search: Callable[..., Any], tmp_path: Path
) -> None:
    rows, record = search(
        "fits:OwnLoop",
        *("search.epochs=1", "finals.top=1", "finals.candidates=1", "finals.confirm_repeats=1", "finals.repeats=1"),
        "finals.epochs=2",
    )

    (retrained,) = [row for row in rows if row.stage == "retrain"]
    outcome = retrained.outcome
    assert (outcome.state, outcome.augmented) == ("complete", False)
    assert outcome.val_accuracy is not None
    assert outcome.notes[0] == RETRAINED_ON_TRAIN
    assert [note.partition(":")[0] for note in outcome.notes[1:]] == [
        "Trained without the cosine annealing",
        "Trained without augmentation",
    ]
    assert record.without_augmentation is None, "there is nothing to compare"
    assert record.state == "done"
    trained = read_bundle(outcome.bundle, artifacts=str(tmp_path / "artifacts")).description.training
    assert trained is not None
    assert (trained.train_on, trained.n_test, trained.epochs, trained.has_own_fit) == ("train", 359, 2, True)
    assert trained.augmentation is None
    assert trained.notes == outcome.notes


def test_an_objective_of_ones_own_and_others_beside_it_score_folds_and_finals(search: Callable[..., Any]) -> None:
    _, record = search(
        "failing_later:fine",
        'search.objectives=["own_builders.objectives:brier", "macro_f1", "loss", "parameters"]',
        *("search.direction=minimize", "data.folds=2"),
        *("search.epochs=2", "finals.top=1", "finals.candidates=1", "finals.confirm_repeats=1", "finals.repeats=1"),
        *("finals.epochs=1", "finals.compare_augmentation=false"),
    )

    (trial,) = record.trials
    (final,) = record.finals
    assert [fold.score for fold in trial.folds] == [min(epoch.score for epoch in fold.curve) for fold in trial.folds]
    assert trial.score == sum(fold.score for fold in trial.folds) / 2
    assert record.objective.direction == "minimize"
    assert record.provenance["objective_sha256"]
    assert final.test_score_mean is not None
    assert 0 < final.test_score_mean < 2
    assert record.ensemble is not None
    assert record.ensemble.test_score == pytest.approx(final.test_score_mean, abs=1e-6)
    best = [min(fold.curve, key=lambda epoch: epoch.score) for fold in trial.folds]
    beside = {
        "macro_f1": sum(one.others["macro_f1"] for one in best) / 2,
        "loss": sum(one.val_loss for one in best) / 2,
    }
    assert trial.others == pytest.approx(beside)
    assert final.others.keys() == final.test_others.keys() == beside.keys()
    assert record.ensemble.test_others == pytest.approx({"macro_f1": final.test_others["macro_f1"]})
    assert record.front == (trial,)


def test_finals_store_pictures_once_and_a_curve_of_images_that_no_repeat_left_out(
    search: Callable[..., Any], tmp_path: Path
) -> None:
    _, record = search(
        "nets:build",
        *("search.epochs=1", "finals.top=1", "finals.candidates=1", "finals.confirm_repeats=1", "finals.repeats=2"),
        *("finals.epochs=2", "finals.validation_curves=true", "finals.compare_augmentation=false"),
    )

    (final,) = record.finals
    assert [run.val_accuracy for run in final.runs] == [None, None]
    assert final.curve_run is not None
    assert [epoch.val_accuracy is not None for epoch in final.curve_run.curve] == [True, True]
    assert (final.curve_run.test_accuracy, final.curve_run.bundle) == (None, None)
    assert record.ensemble is not None
    assert record.ensemble.members == 2
    first, second = final.runs
    assert (first.pictures is None, second.pictures) == (False, None)
    assert (first.prediction_s or 0) > 0
    assert second.prediction_s is None
    read = read_study_pictures(ArtifactStore(str(tmp_path / "artifacts")), first.pictures)
    assert {part: sum(counts) for part, counts in read.data.class_counts.items()} == {
        "train": 1294,
        "validation": 144,
        "test": 359,
    }
    assert read.data.augmented is not None
    assert [layer.kind for layer in read.layers.layers] == ["Dense"]
    assert read.layers.saliency is not None


def test_a_layer_that_cannot_be_looked_at_costs_the_final_nothing_but_its_pictures(
    search: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise ValueError("no such gradient")

    monkeypatch.setattr(pictures, "look_inside", fail)

    _, record = search(
        "nets:build",
        *("search.epochs=1", "finals.top=1", "finals.candidates=1", "finals.confirm_repeats=1", "finals.repeats=1"),
        *("finals.epochs=1", "finals.compare_augmentation=false"),
    )

    (run,) = record.finals[0].runs
    assert (run.state, run.pictures) == ("complete", None)
    assert run.test_accuracy is not None
    assert run.notes == ("Its layers cannot be shown: ValueError: no such gradient",)


def test_a_trial_whose_time_is_over_is_pruned_with_its_epochs_and_says_so(
    search: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # However busy this machine is, its first epoch may end.
    monkeypatch.setattr(time_limit, "_GRACE_S", 600.0)

    rows, record = search("nets:build", "search.epochs=50", "search.trial_timeout_s=0.001", "finals.top=0")

    (outcome,) = [row.outcome for row in rows]
    (trial,) = record.trials
    assert (outcome.state, outcome.ended) == ("pruned", "timeout")
    assert outcome.notes == ("Ended after epoch 1 by search.trial_timeout = 0.001s.",)
    assert [epoch.epoch for epoch in trial.curve] == [1]
    assert (trial.state, trial.score) == ("pruned", trial.curve[0].val_accuracy)


def test_a_trial_in_training_ends_with_the_searchs_time_and_its_finals_follow(search: Callable[..., Any]) -> None:
    of_finals = ("finals.top=1", "finals.candidates=1", "finals.confirm_repeats=1", "finals.timeout=0.001")

    rows, record = search("nets:build", "search.epochs=5000", "search.timeout=0.001", *of_finals)

    (trial,) = record.trials
    confirmation = rows[1].outcome
    assert (trial.state, record.search_ended, record.state) == ("pruned", "timeout", "done")
    assert trial.notes == (f"Ended after epoch {len(trial.curve)} by search.timeout = 0.001s.",)
    assert 0 < len(trial.curve) < 5000
    assert (len(rows), confirmation.state, confirmation.failure.kind) == (2, "failed", "timeout")
    assert record.finals_ended == "timeout"


def test_a_model_beyond_a_limit_ends_its_trial_at_once_and_the_front_of_the_others_is_retrained(
    search: Callable[..., Any],
) -> None:
    rows, record = search(
        "nets:build",
        *("search.trials=4", "search.sampler=grid", 'search.objectives=["accuracy", "parameters"]'),
        *('search.constraints=["parameters <= 700", "latency_ms <= 60000"]', "search.epochs=1", "finals.epochs=1"),
        *("finals.top=2", "finals.candidates=2", "finals.confirm_repeats=1", "finals.repeats=1"),
    )

    by_units = {trial.hyperparameters["units"]: trial for trial in record.trials}
    parameters = {units: trial.costs["parameters"] for units, trial in by_units.items()}
    assert parameters == {4: 310, 8: 610, 12: 910, 16: 1210}
    assert all(trial.costs["size_bytes"] == 4 * trial.costs["parameters"] for trial in record.trials)
    assert all(0 < trial.costs["latency_ms"] < 60_000 for trial in record.trials)
    told = {units: (trial.state, trial.score is None, trial.curve == ()) for units, trial in by_units.items()}
    assert told == dict.fromkeys((4, 8), ("complete", False, False)) | dict.fromkeys((12, 16), ("pruned", True, True))
    (note,) = by_units[16].notes
    assert note.endswith("its model has 1,210\u00a0parameters, and search.constraints has parameters <= 700.")
    assert {trial.number for trial in record.front} <= {by_units[4].number, by_units[8].number}
    assert by_units[4].number in {trial.number for trial in record.front}
    assert record.state == "done"
    assert len(record.trials) == record.budget == 4
    retrained = [row for row in rows if row.stage == "retrain"]
    assert {row.job.trial for row in retrained} == {by_units[4].number, by_units[8].number}
    assert all(row.outcome.costs["parameters"] == row.job.costs["parameters"] for row in retrained)


def test_values_are_compared_with_equal_seeds_and_a_trial_is_what_its_seed_and_values_make_it(
    search: Callable[..., Any], tmp_path: Path
) -> None:
    settings = ("search.epochs=2", "finals.top=0")

    _, plain = search("nets:build", *settings, name="plain")
    _, record = search(
        "nets:build", *settings, "search.sampler=one-factor", "search.vary.units=[4, 8]", "search.repeats=2"
    )
    places = DataPlaces(data_dir=tmp_path, cache_dir=tmp_path / "cache")
    replayed = [epoch.now for epoch in replay_trial(record, record.trials[3], places=places)]

    told = [(trial.hyperparameters["units"], trial.repeat) for trial in record.trials]
    losses = [[epoch.loss for epoch in trial.curve] for trial in record.trials]
    assert told == [(8, 0), (4, 0), (8, 1), (4, 1)]
    assert record.trials[0].seed == record.trials[1].seed == plain.trials[0].seed != record.trials[2].seed
    assert losses[0] == [epoch.loss for epoch in plain.trials[0].curve], "the defaults with the first seed"
    assert losses[2] != losses[0]
    assert [epoch.loss for epoch in replayed] == losses[3]
    assert record.budget == 4
