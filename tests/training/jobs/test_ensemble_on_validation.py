"""What is known of an ensemble before it is tested, and where its predictions are stored."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tuner.artifacts import ArtifactStore
from tuner.bundles.predictions import read_predictions, write_predictions
from tuner.datasets.images import LabelledImages
from tuner.datasets.test_set import load_test_set
from tuner.jobs.context import JobContext
from tuner.jobs.finals.jobs import _compare_on_validation, run_ensemble
from tuner.jobs.study.data import ChangedTestPartError, DataPlaces
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import Study, insert_study
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot
from tuner.studies.slots.outcomes import EnsembleJob, EnsembleOutcome, RetrainJob, RetrainOutcome, SearchOutcome
from tuner.studies.slots.slot import create_slots

LABELS = np.array([0, 0, 0, 1, 1])


@pytest.fixture
def context(tmp_path: Path) -> Any:
    return SimpleNamespace(artifacts=ArtifactStore(str(tmp_path)))


def answered(context: Any, name: str, *of_class_1: float) -> RetrainOutcome:
    """The outcome of a model that gave class 1 these probabilities."""
    second = np.array(of_class_1, np.float32)
    probabilities = np.stack([1 - second, second], axis=1)
    images = np.zeros((len(LABELS), 2, 2, 1), np.uint8)
    write_predictions(context.artifacts, name, labels=LABELS, probabilities=probabilities, images=images)
    return RetrainOutcome(state="complete", validation_predictions=name)


def test_a_vote_that_is_worse_than_its_best_member_on_validation_is_not_built(context: Any) -> None:
    right = answered(context, "right", 0.4, 0.4, 0.4, 0.6, 0.6)
    wrong = answered(context, "wrong", 0.9, 0.9, 0.4, 0.6, 0.6)

    assert _compare_on_validation(context, [right, wrong]) == (
        "Not built: on the validation images its 2 models together reach 60.00 %, the best of them alone 100.00 %."
    )


def test_a_vote_that_is_as_good_as_its_best_member_is_built(context: Any) -> None:
    members = [answered(context, "a", 0.1, 0.1, 0.6, 0.9, 0.9), answered(context, "b", 0.6, 0.1, 0.1, 0.9, 0.9)]

    assert _compare_on_validation(context, members) is None


def test_without_held_out_images_nothing_is_known_of_the_vote(context: Any) -> None:
    wrong = answered(context, "wrong", 0.9, 0.9, 0.9, 0.1, 0.1)

    assert _compare_on_validation(context, [wrong, RetrainOutcome(state="complete")]) is None
    assert _compare_on_validation(context, [RetrainOutcome(state="complete")] * 2) is None


def insert_digits(storage: Storage, test: LabelledImages) -> Study:
    """Store a study of one trial."""
    definition = make_definition(space="mlp", dataset="digits", name="s", trials=1)
    return insert_study(storage, definition, class_names=test.class_names, provenance={"data_sha256": "0" * 64})


def retrained(storage: Storage, artifacts: ArtifactStore, study: Study, test: LabelledImages) -> list[int]:
    """Store three retrained models with answers for these images; return their slots."""
    search = claim_slot(storage, owner="w")
    assert search is not None
    end_slot(storage, search, SearchOutcome(state="complete", score=0.5))
    members = []
    for name in ("a", "b", "c"):
        probabilities = np.random.default_rng(ord(name)).dirichlet(np.ones(10), len(test.labels)).astype(np.float32)
        write_predictions(artifacts, name, labels=test.labels, probabilities=probabilities, images=test.images)
        with storage.engine.begin() as connection:
            job = RetrainJob(trial=0, hyperparameters={}, repeat=0, seed=0, augmented=True, val_accuracy_mean=0.5)
            create_slots(connection, study.id, "retrain", [job])
        retraining = claim_slot(storage, owner="w")
        assert retraining is not None
        end_slot(storage, retraining, RetrainOutcome(state="complete", test_accuracy=0.1, predictions=name))
        members.append(retraining.slot_id)

    return members


def ensemble_of(
    storage: Storage, artifacts: ArtifactStore, study: Study, places: DataPlaces, members: Sequence[int]
) -> EnsembleOutcome:
    """Run the ensemble of these slots, and end its own."""
    with storage.engine.begin() as connection:
        create_slots(connection, study.id, "ensemble", [EnsembleJob(slots=tuple(members))])
    lease = claim_slot(storage, owner="w")
    assert lease is not None
    context = JobContext(
        storage=storage,
        artifacts=artifacts,
        places=places,
        study=study,
        lease=lease,
        on_epoch=lambda _: None,
        on_scores=lambda _: None,
    )
    outcome = run_ensemble(context)
    end_slot(storage, lease, outcome)
    return outcome


def test_a_second_ensemble_of_as_many_members_leaves_the_first_ones_predictions(tmp_path: Path) -> None:
    artifacts, places = ArtifactStore(str(tmp_path / "artifacts")), DataPlaces(data_dir=tmp_path, cache_dir=tmp_path)
    test = load_test_set("digits", data_dir=tmp_path)
    with open_storage(f"sqlite:///{tmp_path / 's.db'}") as storage:
        study = insert_digits(storage, test)
        members = retrained(storage, artifacts, study, test)
        outcomes = [ensemble_of(storage, artifacts, study, places, chosen) for chosen in (members[:2], members[1:])]

    stored = [read_predictions(artifacts, outcome.predictions).accuracy for outcome in outcomes]
    assert outcomes[0].predictions != outcomes[1].predictions
    assert stored == [outcome.test_accuracy for outcome in outcomes]
    assert stored[0] != stored[1]


def test_an_ensemble_is_not_tested_on_other_images_than_its_members(tmp_path: Path) -> None:
    artifacts, places = ArtifactStore(str(tmp_path / "artifacts")), DataPlaces(data_dir=tmp_path, cache_dir=tmp_path)
    test = load_test_set("digits", data_dir=tmp_path)
    with open_storage(f"sqlite:///{tmp_path / 's.db'}") as storage:
        study = insert_digits(storage, test)
        members = retrained(storage, artifacts, study, replace(test, labels=np.roll(test.labels, 1)))

        with pytest.raises(ChangedTestPartError, match="test part of dataset 'digits' has changed"):
            ensemble_of(storage, artifacts, study, places, members[:2])
