"""Tables of the search that say how a model is trained, their ranges, and what finals take over from them."""

import json

import pytest

from tuner.errors import TunerError
from tuner.setting_tables import Range
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.training_settings import Annealing, Augmentation


def define(*overrides: str) -> StudyDefinition:
    return make_definition(space="cnn", overrides=overrides)


def test_a_search_trains_as_the_space_has_it_and_finals_by_their_own_defaults() -> None:
    definition = define()

    assert (definition.search.augmentation, definition.search.annealing) == (None, None)
    assert definition.finals.augmentation == Augmentation()
    assert definition.finals.annealing == Annealing()
    assert not any(table.ranges for table in (definition.search.training, definition.finals.training))


def test_a_range_survives_the_stored_definition() -> None:
    definition = define(
        "search.augmentation.rotation={low=0, high=20, step=5}",
        "search.annealing.rule={values=['plateau', 'cosine']}",
        "search.training.weight_decay={low=1e-5, high=0.1, log=true}",
    )
    stored = json.loads(definition.to_json())

    assert stored["search"]["augmentation"]["rotation"] == {"low": 0, "high": 20, "step": 5, "log": False}
    assert StudyDefinition.from_stored(stored) == definition
    read = StudyDefinition.from_json(definition.to_json())
    assert read.search.training.ranges == {"weight_decay": Range(low=1e-5, high=0.1, log=True)}
    # The warm-up follows the rule that is drawn, and not the first of the list.
    assert read.search.annealing is not None
    assert [read.search.annealing.settle({"rule": rule}).warmup_epochs for rule in ("plateau", "cosine")] == [0, 1]


def test_finals_train_as_the_search_but_for_what_they_set_themselves() -> None:
    definition = define(
        "search.augmentation.rotation={low=0, high=20}",
        "search.augmentation.zoom=0.2",
        "search.annealing.rule=plateau",
        "search.annealing.patience={values=[1, 2]}",
        "search.training.label_smoothing=0.1",
        "finals.augmentation.zoom=0.05",
    )
    finals = definition.finals

    assert finals.augmentation.ranges == {"rotation": Range(low=0, high=20)}
    assert finals.augmentation.settle({"rotation": 7.5}) == Augmentation(rotation=7.5, zoom=0.05)
    assert finals.annealing.settle({"patience": 2}) == Annealing(rule="plateau", patience=2)
    assert finals.training.label_smoothing == 0.1


def test_a_learning_rate_rule_of_the_finals_stands_alone() -> None:
    definition = define("search.annealing={rule='cosine', warmup_epochs=2}", "finals.annealing.rule=plateau")

    assert definition.finals.annealing == Annealing(rule="plateau")


def test_early_stopping_is_passed_on_only_where_finals_can_measure() -> None:
    searched = "search.training.early_stopping=3"

    assert define(searched).finals.training.early_stopping == 0
    assert define(searched, "finals.train_on=train").finals.training.early_stopping == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.augmentation.rotation={low=0, high=200}", "rotation: received 200, expected a number of at most 180"),
        ("search.augmentation.rotation={low=9, high=2}", "search.augmentation.rotation: received .* low below high"),
        ("search.augmentation.rotation={lo=0, high=2}", "search.augmentation.rotation: a range has no 'lo'; expected"),
        ("search.augmentation.rotation={low=0}", "search.augmentation.rotation: received .* expected {low"),
        ("search.augmentation.rotation={low=0, high=9, log=true}", "rotation: received .* expected low above 0"),
        ("search.augmentation.zoom={values=[]}", "search.augmentation.zoom: received"),
        ("search.augmentation.zoom={values=[0.1, 0.1]}", "search.augmentation.zoom: values has the same value twice"),
        ("search.augmentation.zoom={values=[0.1, 1.5]}", "search.augmentation.zoom: received 1.5, expected .* below 1"),
        ("search.augmentation.turn=3", "search.augmentation.turn: no setting has this name.* Known here: rotation"),
        ("search.annealing.patience={low=1, high=3.5}", "annealing.patience: received 3.5, expected a whole number"),
        ("search.annealing.patience={low=1, high=5, step=0.5}", "annealing.patience: .* whole numbers"),
        ("search.annealing={rule={values=['cosine', 'none']}, warmup_epochs=1}", "received 1, expected 0 with rule"),
        ("search.annealing.warmup_epochs={low=0, high=10}", "received 10, expected fewer than search.epochs"),
        ("search.annealing={rule='cosine', warmup_epochs=9}", None),
        ("finals.augmentation.rotation={low=0, high=20}", "finals.augmentation.rotation: finals take what the search"),
        ("finals.training.early_stopping=2", 'finals.train_on = "train.validation" leaves no image'),
        ("search.training.class_weights.cat=-1", "expected a number of at least 0 for each class"),
        ("search.training.class_weights=even", 'received "even", expected none, balanced, a list'),
        ("search.training.class_weights=[1, -1]", "expected none, balanced, a list"),
        ("search.training.ema_momentum=1", "received 1, expected a number below 1"),
    ],
)
def test_a_wrong_range_or_rule_is_named(override: str, message: str | None) -> None:
    if message is None:
        define(override)
        return
    with pytest.raises(TunerError, match=message) as caught:
        define(override)
    assert "\n" not in str(caught.value)


def test_class_weights_are_a_table_by_class_or_a_range_of_values() -> None:
    by_class = make_definition(space="mlp", overrides=["search.training.class_weights={cat = 2, dog = 0.5}"])
    drawn = make_definition(space="mlp", overrides=["search.training.class_weights={values = ['none', 'balanced']}"])

    assert by_class.search.training.class_weights == {"cat": 2.0, "dog": 0.5}
    assert by_class.finals.training == by_class.search.training
    assert StudyDefinition.from_json(by_class.to_json()) == by_class
    assert drawn.search.training.ranges["class_weights"].values == ("none", "balanced")
