"""What is known of an ensemble before it is tested."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tuner.artifacts import ArtifactStore
from tuner.bundles.predictions import write_predictions
from tuner.jobs.finals import _compare_on_validation
from tuner.studies.outcomes import RetrainOutcome

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
