"""The configurations of a study of one factor at a time."""

from typing import Any

import keras_tuner
import pytest

from tuner.datasets.images import ImageFormat
from tuner.jobs.hyperparameters.factors import FactorError, plan_comparison
from tuner.jobs.hyperparameters.hp import declared_parameters
from tuner.spaces.space import Space
from tuner.studies.definitions.making import make_definition
from tuner.studies.repeats import training_seed
from tuner.studies.seeds import trial_seed
from tuner.studies.slots.outcomes import SearchJob

DIGITS = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))


def build(hp: keras_tuner.HyperParameters, images: ImageFormat) -> Any:
    """Ask for hyperparameters; there is no model."""
    del images
    hp.Choice("size", [3, 5, 7])
    hp.Float("dropout", 0.0, 0.5, step=0.25, default=0.25)
    hp.Boolean("normalize", default=True)
    optimizer = hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["adam"]):
        hp.Float("rate", 1e-4, 1e-2, sampling="log", default=1e-3)
    with hp.conditional_scope("optimizer", ["sgd"]):
        hp.Float("rate", 1e-3, 1.0, sampling="log", default=0.1)
        if optimizer == "sgd":
            hp.Float("momentum", 0.0, 0.9)
    hp.Fixed("units", 8)


def plan(*overrides: str, **vary: list[Any]) -> list[SearchJob]:
    definition = make_definition(space="mlp", vary=vary, seed=5, overrides=overrides)
    space = Space(name="own", description="", build=build, help={})
    declared = declared_parameters(space, DIGITS, fixed=definition.fixed, ranges=definition.ranges)
    return plan_comparison(definition, space, DIGITS, declared)


def test_every_repeat_trains_the_defaults_once_and_each_other_value_with_its_one_seed() -> None:
    jobs = plan("search.repeats=2", size=[3, 5, 7], optimizer=["sgd"], dropout=[0])

    varied: list[dict[str, Any]] = [{}, {"size": 5}, {"size": 7}, {"optimizer": "sgd"}, {"dropout": 0.0}]
    assert [job.varied for job in jobs] == varied * 2
    assert [job.repeat for job in jobs] == [0] * 5 + [1] * 5
    assert [job.seed for job in jobs] == [trial_seed(5, 0)] * 5 + [trial_seed(5, 1)] * 5
    assert jobs[0].values == {
        "size": 3,
        "dropout": 0.25,
        "normalize": True,
        "optimizer": "adam",
        "rate [optimizer=adam]": 1e-3,
        "rate [optimizer=sgd]": 0.1,
        "momentum [optimizer=sgd]": 0.0,
    }
    assert jobs[1].values == {**jobs[0].values, "size": 5}
    assert isinstance(jobs[4].varied["dropout"], float)
    assert training_seed(SearchJob(repeat=0, seed=3), study_seed=5, position=17) == 3
    assert training_seed(SearchJob(), study_seed=5, position=17) == trial_seed(5, 17)


def test_a_range_may_change_a_default_and_what_can_be_compared() -> None:
    jobs = plan(
        "space.size.default=5", "space.rate.high=0.5", "space.units.values=[8,16]", size=[3], rate=[0.5], units=[16]
    )

    assert [job.varied for job in jobs[:4]] == [{}, {"size": 3}, {"rate": 0.5}, {"units": 16}]
    assert jobs[0].values["size"] == 5
    assert jobs[2].values["rate [optimizer=adam]"] == 0.5


def test_what_is_fixed_selects_the_branch_that_is_varied() -> None:
    jobs = plan("fixed.optimizer=sgd", rate=[0.5], momentum=[0.5])

    assert [job.values.get("rate [optimizer=sgd]") for job in jobs[:3]] == [0.1, 0.5, 0.1]
    assert "optimizer" not in jobs[0].values


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ({"sizes": [3]}, "search.vary.sizes: the space does not search it. Did you mean 'size'? It searches: size, "),
        ({"units": [3]}, "search.vary.units: the space does not search it."),
        ({"size": [9]}, "search.vary.size: received 9, expected 3, 5, 7. A table [space.size] sets other values."),
        ({"size": ["a"]}, "search.vary.size: received 'a', expected 3, 5, 7."),
        ({"size": [True]}, "search.vary.size: received True"),
        ({"size": [5, 5]}, "search.vary.size: has 5 twice. Remove one."),
        ({"size": [3]}, "search.vary.size: has nothing but its default, 3."),
        ({"dropout": [0.3]}, "received 0.3, expected 0 to 0.5 (step 0.25)."),
        ({"normalize": [1]}, "received 1, expected true, false."),
        ({"optimizer": ["adan"]}, "received 'adan', expected adam, sgd."),
        ({"rate": [0.5]}, "received 0.5, expected 0.0001 to 0.01 (log) when optimizer is adam."),
        ({"momentum": [0.5]}, "the space asks for it only when optimizer is sgd, but by default optimizer is 'adam'."),
    ],
)
def test_what_cannot_be_compared_is_one_line(vary: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(FactorError) as caught:
        plan(**vary)

    assert message in str(caught.value)


def test_what_is_fixed_cannot_be_varied() -> None:
    with pytest.raises(FactorError, match=r"the study fixes it to 5\. Remove that; .*space\.size\.default=5"):
        plan("fixed.size=5", size=[3])
