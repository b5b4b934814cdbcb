import pytest

from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.studies.definition import StudyDefinition, make_definition
from tuner.studies.fidelity import describe_images, image_shares


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


def test_what_the_epochs_have_shown_in_words() -> None:
    images = (600, 1800, 1800, None)
    nothing = {"loss": None, "accuracy": None, "val_loss": None, "val_accuracy": None}
    curve = [Epoch(epoch=number, images=seen, **nothing) for number, seen in enumerate(images, start=1)]

    told = describe_images([curve[:1], curve])

    assert told == (
        "Trials saw 600 training images in epoch 1 and 1,800 training images in epochs 2 to 3, and all from epoch 4 on."
    )
    assert describe_images([curve[3:]]) is None
