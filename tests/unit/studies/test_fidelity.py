from types import SimpleNamespace
from typing import Any, cast

import pytest

from tuner.errors import TunerError
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.records.fidelity import describe_images, image_shares
from tuner.studies.records.study import StudyRecord


def define(*overrides: str, epochs: int = 10, **settings: str) -> StudyDefinition:
    changes = ("search.pruning.resource=images", *overrides)
    return make_definition(space="mlp", dataset="digits", epochs=epochs, overrides=changes, **settings)


def test_epochs_before_the_first_two_decisions_show_parts_of_the_images() -> None:
    assert image_shares(define().search) == ((1, pytest.approx(1 / 9)), (3, pytest.approx(1 / 3)))
    factor_2 = define("search.pruning.reduction_factor=2", "search.pruning.min_resource=2")
    assert image_shares(factor_2.search) == ((2, 0.25), (4, 0.5))


def test_the_epochs_after_the_last_decision_show_all_images() -> None:
    assert image_shares(define(epochs=3).search) == ((1, pytest.approx(1 / 9)),)
    assert image_shares(define(epochs=1).search) == ()
    assert image_shares(make_definition(space="mlp", dataset="digits").search) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "search.pruner=median",
            r"search.pruning.resource: received 'images' with the pruner 'median'; expected asha or",
        ),
        ("data.folds=3", r"search.pruning.resource: received 'images', but with data.folds"),
        ("search.pruning.resource=time", r"search.pruning.resource: received .?'?time"),
    ],
)
def test_images_need_a_pruner_with_rungs_and_no_folds(change: str, message: str) -> None:
    with pytest.raises(TunerError, match=message):
        define(change)


def test_what_the_epochs_show_in_words() -> None:
    pixels = {"class_counts": [15_000, 5_000], "validation_counts": [1_500, 500]}

    def describe(definition: StudyDefinition, pixels: Any) -> str | None:
        study = SimpleNamespace(definition=definition.model_dump(), pixels=pixels, class_names=("a", "b"))
        return describe_images(cast("StudyRecord", study))

    told = (
        "Of the training images, trials see 2,000 in epoch 1 and 6,000 in epochs 2 to 3, and all of 18,000 from epoch 4"
    )
    assert describe(define(), pixels) == f"{told} on."
    assert "see 1,000 in epoch 1 and 1,000 in epochs" in str(describe(define("search.train_images=3000"), pixels))
    assert "see 11 % in epoch 1 and 33 % in epochs 2 to 3, and all from" in str(describe(define(), None))
    assert describe(make_definition(space="mlp", dataset="digits"), pixels) is None
