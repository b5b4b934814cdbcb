from typing import Any

import keras_tuner
import optuna
import pytest

from tuner.datasets.images import ImageFormat
from tuner.jobs.hyperparameters.hp import OptunaHyperParameters, declared_parameters
from tuner.jobs.hyperparameters.prior_draws import NothingToDrawError, check_priors
from tuner.jobs.hyperparameters.trial_values import find_values
from tuner.space_ranges import Prior, SpaceRange
from tuner.spaces.ranges import RangeError
from tuner.spaces.space import Space
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.slots.outcomes import SearchJob

DIGITS = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))


def build(hp: keras_tuner.HyperParameters, images: ImageFormat) -> Any:
    """Ask for hyperparameters of every kind; there is no model."""
    del images
    hp.Int("units", 16, 512, sampling="log", default=128)
    hp.Int("steps", 32, 512, step=32)
    hp.Float("dropout", 0.0, 0.6, step=0.1)
    hp.Float("powers", 1e-4, 1e-1, step=10, sampling="log")
    hp.Float("reversed", 0.5, 0.9, sampling="reverse_log")
    hp.Choice("size", [3, 5, 7])
    hp.Boolean("normalize")
    hp.Fixed("width", 1)
    hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["adam"]):
        hp.Float("rate", 1e-4, 1e-2, sampling="log")
    with hp.conditional_scope("optimizer", ["sgd"]):
        hp.Float("rate", 1e-3, 1.0, sampling="log")


SPACE = Space(name="all", description="", build=build, help={})
PRIORS = (
    "space.units.prior={centre = 32, spread = 1.5}",
    "space.steps.prior={centre = 64, spread = 1}",
    "space.dropout.prior={centre = 0.3, spread = 0.01}",
    "space.powers.prior={centre = 1e-2, spread = 1.1}",
    "space.reversed.prior={centre = 0.8, spread = 0.01}",
    "space.size.prior={weights = {5 = 1}}",
    "space.normalize.prior={favourite = true, share = 0.999}",
    'space.optimizer.prior={favourite = "sgd", share = 0.999}',
)


def define(*overrides: str, sampler: str = "tpe", seed: int = 0) -> StudyDefinition:
    return make_definition(space="mlp", dataset="digits", sampler=sampler, seed=seed, overrides=overrides)


def values_of(definition: StudyDefinition, number: int) -> dict[str, Any]:
    """Return the hyperparameters of a trial, as a worker asks for them."""
    job = find_values(SearchJob(), definition, SPACE, DIGITS, number=number)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number))
    study.enqueue_trial(dict(job.values))
    hp = OptunaHyperParameters(study.ask(), ranges=definition.ranges)
    build(hp, DIGITS)
    return dict(hp.values)


def test_first_trials_take_their_values_from_the_priors_whatever_form_optuna_is_asked_in() -> None:
    # Which `--set` cannot name.
    of_branch = {"rate [optimizer=sgd]": SpaceRange(prior=Prior(centre=0.1, spread=1.01))}
    definition = define(*PRIORS)
    definition = definition.model_copy(update={"ranges": {**definition.ranges, **of_branch}})

    for number in range(5):
        values = values_of(definition, number)

        assert 32 / 4 < values["units"] < 32 * 4
        assert isinstance(values["units"], int)
        assert (values["steps"], values["size"], values["optimizer"]) == (64, 5, "sgd")
        assert values["dropout"] == pytest.approx(0.3)
        assert values["powers"] == pytest.approx(1e-2)
        assert values["reversed"] == pytest.approx(0.8, abs=0.05)
        assert values["rate"] == pytest.approx(0.1, rel=0.1)
        assert values["normalize"] is True


def test_draws_follow_from_the_seed_and_the_number() -> None:
    one, other = define(PRIORS[0]), define(PRIORS[0], seed=1)

    drawn = [find_values(SearchJob(), one, SPACE, DIGITS, number=number).values for number in (0, 1, 0)]

    assert drawn[0] == drawn[2]
    assert drawn[0] != drawn[1]
    assert drawn[0] != find_values(SearchJob(), other, SPACE, DIGITS, number=0).values


def test_a_baselines_values_and_later_trials_are_left_alone() -> None:
    definition = define(PRIORS[0])
    given, later = SearchJob(values={"units": 99}), SearchJob()

    assert find_values(given, definition, SPACE, DIGITS, number=1).values == {"units": 99}
    assert find_values(later, definition, SPACE, DIGITS, number=10) is later
    assert find_values(later, define(), SPACE, DIGITS, number=0) is later
    assert find_values(later, define(PRIORS[0], sampler="random"), SPACE, DIGITS, number=99).values


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (
            "space.units.prior={centre = 1024, spread = 2}",
            r"space.units.prior.centre: received 1024, .*16 to 512 \(log\)",
        ),
        ("space.units.prior={centre = 64, spread = 0.5}", "space.units.prior.spread: received 0.5, .*above 1"),
        ("space.units.prior={favourite = 64}", "space.units.prior: received a favourite or weights"),
        ("space.optimizer.prior={centre = 1, spread = 1}", "space.optimizer.prior.centre: received a centre"),
        ('space.optimizer.prior={favourite = "sdg"}', "space.optimizer.prior.favourite: received 'sdg'"),
        ("space.size.prior={weights = {4 = 1}}", "space.size.prior.weights: received '4'"),
        ("space.normalize.prior={favourite = 1}", "space.normalize.prior.favourite: received 1"),
        ("space.width.prior={favourite = 1}", "space.width.prior: .*not searched"),
    ],
)
def test_a_prior_that_does_not_fit_its_hyperparameter_is_refused_in_one_line(prior: str, message: str) -> None:
    definition = define(prior)
    declared = declared_parameters(SPACE, DIGITS, ranges=definition.ranges)

    with pytest.raises((RangeError, NothingToDrawError), match=message) as caught:
        check_priors(declared, definition.ranges)
    assert "\n" not in str(caught.value)
