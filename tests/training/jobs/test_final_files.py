from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import BundleDescription, Provenance, pack_bundle
from tuner.bundles.ensemble import Ensemble, read_model_file
from tuner.bundles.predictions import Predictions, write_predictions
from tuner.datasets.images import ImageFormat
from tuner.jobs.finals import files
from tuner.jobs.finals.files import store_ensemble_bundle
from tuner.studies.slots.outcomes import RetrainOutcome


@pytest.fixture
def context(tmp_path: Path) -> Any:
    """What the job of an ensemble needs of its context to write its file."""
    return SimpleNamespace(
        artifacts=ArtifactStore(str(tmp_path)),
        study=SimpleNamespace(name="cats", folder="cats-1", class_names=("a", "b")),
        lease=SimpleNamespace(position=3),
    )


def retrained(context: Any, seed: int) -> RetrainOutcome:
    origin = Provenance(
        study="cats", trial=4, rank=1, seed=seed, test_accuracy=0.5, versions={}, data_sha256="0" * 64
    )  # fmt: skip
    images = ImageFormat(height=2, width=2, channels=1, class_names=("a", "b"))
    described = BundleDescription(space="mlp", hyperparameters={}, images=images, provenance=origin)
    path = f"cats-1/finals/seed-{seed}.bundle"
    context.artifacts.write(path, pack_bundle(described, [("kernel", np.zeros((4, 2), np.float32))]))
    return RetrainOutcome(state="complete", bundle=path, test_accuracy=0.5, val_accuracy=0.75)


def voted(context: Any) -> Predictions:
    return write_predictions(
        context.artifacts,
        "cats-1/vote.npz",
        labels=np.array([0, 1]),
        probabilities=np.full((2, 2), 0.5, np.float32),
        images=np.zeros((2, 2, 2, 1), np.uint8),
    )


def test_an_ensemble_is_one_file_with_the_bundles_of_its_members(context: Any, tmp_path: Path) -> None:
    path, note = store_ensemble_bundle(context, [retrained(context, 1), retrained(context, 2)], voted(context))

    assert (path, note) == ("cats-1/finals/ensemble-of-2-slot-3.bundle", None)
    read = read_model_file(tmp_path / "cats-1/finals/ensemble-of-2-slot-3.bundle")
    assert isinstance(read, Ensemble)
    assert [(one.trial, one.seed, one.known_accuracy) for one in read.description.members] == [
        (4, 1, 0.75), (4, 2, 0.75),
    ]  # fmt: skip
    assert (read.description.n_test, read.description.test_accuracy) == (2, 0.5)
    assert [member.description.provenance.seed for member in read.members] == [1, 2]


def test_an_ensemble_without_a_file_says_why(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    members = [retrained(context, 1), retrained(context, 2)]
    assert store_ensemble_bundle(context, members[:1], voted(context)) == (None, None)

    monkeypatch.setattr(files, "_MOST_BYTES", 100)
    path, note = store_ensemble_bundle(context, members, voted(context))
    assert path is None
    assert note is not None
    assert note.endswith("Make it where there is more memory: `tuner ensemble cats`.")

    context.artifacts.delete(str(members[0].bundle))
    path, note = store_ensemble_bundle(context, members, voted(context))
    assert path is None
    assert note is not None
    assert note.startswith("It has no file of its own, because a member's is missing: No artifact at")
