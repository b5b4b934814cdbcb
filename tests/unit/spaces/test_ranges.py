"""What a study searches in place of what a builder declares."""

from typing import Any

import keras_tuner
import optuna
import pytest

from tuner.datasets.images import ImageFormat
from tuner.jobs.hyperparameters.hp import OptunaHyperParameters, declared_parameters
from tuner.space_ranges import SpaceRange
from tuner.spaces.fixed_values import why_outside
from tuner.spaces.parameter_words import conditional_name, describe_range
from tuner.spaces.ranges import RangedHyperParameters, RangeError, UnknownRangeError, range_of, with_range
from tuner.spaces.space import Space

DIGITS = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))
HP = keras_tuner.HyperParameters


def build(hp: HP, images: ImageFormat) -> Any:
    """Ask for hyperparameters of every kind; there is no model."""
    del images
    hp.Float("rate", 1e-4, 1e-2, sampling="log", default=1e-3)
    hp.Float("reversed", 0.5, 0.9, sampling="reverse_log")
    hp.Int("units", 32, 512, step=32, default=128)
    hp.Int("powers", 2, 64, step=2, sampling="log")
    hp.Choice("size", [3, 5, 7], default=5)
    hp.Choice("share", [0.0, 0.5])
    hp.Choice("flag", [True, False])
    hp.Choice("activation", ["relu", "elu", "tanh"])
    hp.Boolean("normalize", default=True)
    hp.Fixed("epsilon", 0.001)
    hp.Fixed("repeats", 2)
    hp.Fixed("initializer", "uniform")
    optimizer = hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["adam"]):
        hp.Float("step", 1e-4, 1e-2, sampling="log", default=1e-3)
    with hp.conditional_scope("optimizer", ["sgd"]):
        hp.Float("step", 1e-3, 1.0, sampling="log", default=0.1)
        if optimizer == "sgd":
            hp.Float("momentum", 0.0, 0.9)


SPACE = Space(name="all", description="", build=build, help={})


def declare(**ranges: dict[str, Any]) -> dict[str, Any]:
    """Return the declared hyperparameters under these ranges, by their names with conditions."""
    given = {name: SpaceRange.model_validate(one) for name, one in ranges.items()}
    hp = RangedHyperParameters(given)
    SPACE.build(hp, DIGITS)
    return {conditional_name(parameter): parameter for parameter in hp.space}


def test_the_ranges_that_a_space_has_anyway_change_nothing() -> None:
    declared = declare()

    again = {
        name: with_range(one, {name: found}) for name, one in declared.items() if (found := range_of(one)) is not None
    }

    assert set(declared) - set(again) == {"epsilon", "repeats", "initializer"}
    for name, one in again.items():
        assert (describe_range(one), one.default) == (describe_range(declared[name]), declared[name].default)
        assert type(one.default) is type(declared[name].default)


@pytest.mark.parametrize(
    ("name", "given", "range_", "default"),
    [
        ("rate", {"low": 1e-6, "high": 1}, "1e-06 to 1 (log)", 0.001),
        ("rate", {"low": 0.005}, "0.005 to 0.01 (log)", 0.005),
        ("rate", {"log": False}, "0.0001 to 0.01", 0.001),
        ("rate", {"values": [1, 0.1, 0.01]}, "1.0, 0.1, 0.01", 0.01),
        ("rate", {"default": 0.002}, "0.0001 to 0.01 (log)", 0.002),
        ("reversed", {"high": 0.99}, "0.5 to 0.99 (reverse log)", 0.5),
        ("units", {"low": 16, "high": 100}, "16 to 100 (step 32)", 80),
        ("units", {"high": 2048, "log": True, "low": 8}, "8 to 2048 (log)", 128),
        ("units", {"values": [50, 397]}, "50, 397", 50),
        ("units", {"step": 1}, "32 to 512", 128),
        ("powers", {"high": 1024}, "2 to 1024 (log, times 2)", 2),
        ("size", {"low": 1, "high": 9, "step": 2}, "1 to 9 (step 2)", 5),
        ("size", {"values": [9, 11]}, "9, 11", 9),
        ("share", {"low": 0, "high": 1}, "0 to 1", 0.0),
        ("flag", {"values": [True, False], "default": False}, "1, 0", 0),
        ("activation", {"values": ["tanh", "elu"]}, "tanh, elu", "tanh"),
        ("activation", {"values": ["tanh", "elu"], "default": "elu"}, "tanh, elu", "elu"),
        ("normalize", {"default": False}, "true, false", False),
        ("normalize", {"values": [False, True]}, "true, false", True),
        ("epsilon", {"low": 1e-5, "high": 1e-2, "log": True}, "1e-05 to 0.01 (log)", 0.001),
        ("repeats", {"low": 1, "high": 3}, "1 to 3", 2),
        ("initializer", {"values": ["uniform", "he_normal"]}, "uniform, he_normal", "uniform"),
    ],
)
def test_a_range_takes_the_place_of_what_the_builder_declares(
    name: str, given: dict[str, Any], range_: str, default: Any
) -> None:
    parameter = declare(**{name: given})[name]

    assert (describe_range(parameter), parameter.default) == (range_, default)
    assert type(parameter.default) is type(default)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("rate", {"values": ["a", "b"]}, r"space.rate.values: received 'a', expected a number. The builder declares"),
        ("rate", {"high": 1e-5}, "space.rate.high: expected low below high, received 0.0001 and 1e-05"),
        ("rate", {"low": 0}, "space.rate.low: received low = 0, expected more than 0 on a logarithmic scale"),
        ("rate", {"step": 0.1}, "space.rate.step: received 0.1, expected more than 1 on a logarithmic scale"),
        ("rate", {"default": 0.5}, "space.rate.default: received 0.5, expected one of its values"),
        ("units", {"low": 1.5}, "space.units.low: received 1.5, expected a whole number"),
        ("units", {"values": [32, True]}, "space.units.values: received True, expected a whole number"),
        ("units", {"low": 8, "high": 16, "default": 32}, "space.units.default: received 32, expected 8 to 16"),
        ("size", {"values": [3, 5], "default": 7}, "space.size.default: received 7, expected one of its values"),
        ("activation", {"values": ["relu", "gelu"]}, "received 'gelu', expected a value that the builder offers"),
        ("activation", {"low": 1, "high": 2}, "space.activation.low: expected values, as it is no number"),
        ("normalize", {"default": 1}, "space.normalize.default: received 1, expected"),
        ("epsilon", {"high": 1.0}, "space.epsilon.high: expected both low and high"),
        ("initializer", {"values": [1, 2]}, "space.initializer.values: received 1, expected str"),
    ],
)
def test_a_range_that_does_not_fit_the_hyperparameter_is_refused(
    name: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(RangeError, match=message):
        declare(**{name: given})


def test_a_plain_name_is_for_every_branch_and_one_with_conditions_for_its_own() -> None:
    both = declared_parameters(SPACE, DIGITS, ranges={"step": SpaceRange(low=1e-5)})
    one = declared_parameters(SPACE, DIGITS, ranges={"step [optimizer=sgd]": SpaceRange(high=10.0)})

    steps = [[describe_range(each.declared) for each in found if each.name == "step"] for found in (both, one)]
    assert steps == [["1e-05 to 0.01 (log)", "1e-05 to 1 (log)"], ["0.0001 to 0.01 (log)", "0.001 to 10 (log)"]]


def test_a_default_that_a_range_excludes_is_told_unless_another_is_given(caplog: pytest.LogCaptureFixture) -> None:
    ranges = {
        "size": SpaceRange(values=(7, 9)),
        "units": SpaceRange(low=256, default=512),
        "rate": SpaceRange(low=1e-6),
    }

    declared_parameters(SPACE, DIGITS, ranges=ranges)

    assert caplog.messages == ["The range of size excludes its default 5; 7 takes its place."]


def test_branches_that_a_range_rules_out_are_not_searched() -> None:
    declared = declared_parameters(SPACE, DIGITS, ranges={"optimizer": SpaceRange(values=("adam", "sgd"))})
    with_size = {"size": SpaceRange(values=(5, 7))}

    def ask(hp: HP, images: ImageFormat) -> Any:
        del images
        hp.Choice("size", [3, 5, 7])
        with hp.conditional_scope("size", [3]):
            hp.Float("margin", 0.0, 1.0)

    space = Space(name="own", description="", build=ask, help={})
    assert {parameter.name for parameter in declared_parameters(space, DIGITS)} == {"size", "margin"}
    assert {parameter.name for parameter in declared_parameters(space, DIGITS, ranges=with_size)} == {"size"}
    assert "momentum" in {parameter.name for parameter in declared}


def test_a_range_of_an_unknown_name_is_refused_unless_an_own_fit_may_ask_for_it() -> None:
    with pytest.raises(UnknownRangeError, match=r"space.unit: the space does not ask for it. Did you mean 'units'\?"):
        declared_parameters(SPACE, DIGITS, ranges={"unit": SpaceRange(low=1)})

    own = Space(name="own", description="", build=build, help={}, fit=lambda: None)
    declared_parameters(own, DIGITS, ranges={"epochs": SpaceRange(low=1, high=3)})
    hp = OptunaHyperParameters(None, ranges={"epochs": SpaceRange(low=1, high=3)})
    with pytest.raises(UnknownRangeError, match=r"^space\.epochs: the space does not ask for it"):
        hp.refuse_unknown_names()
    hp.Int("epochs", 10, 20)
    hp.refuse_unknown_names()
    assert hp.values == {"epochs": 3}


def test_a_search_draws_from_the_range_and_fixed_values_are_told_of_when_outside() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    ranges = {"units": SpaceRange(values=(7, 9)), "rate": SpaceRange(low=1.0, high=2.0)}

    drawn = []
    for _ in range(20):
        hp = OptunaHyperParameters(study.ask(), ranges=ranges)
        build(hp, DIGITS)
        drawn.append(hp.values)

    assert {values["units"] for values in drawn} == {7, 9}
    assert all(1 <= values["rate"] <= 2 for values in drawn)
    assert "lies outside of what the space searches, 1 to 2 (log)" in why_outside(
        declare(rate={"low": 1, "high": 2})["rate"], 0.001
    )
