import math
from collections import Counter

import pytest

from tuner.errors import TunerError
from tuner.space_ranges import Prior, SpaceRange
from tuner.studies.definitions.making import make_definition
from tuner.studies.priors import (
    describe_prior,
    describe_unused,
    draw_choice,
    draw_number,
    takes_priors,
)


def test_two_of_three_numbers_are_within_the_spread_and_all_within_the_range() -> None:
    prior = Prior(centre=1e-3, spread=3)

    drawn = [draw_number(prior, low=1e-5, high=1e-2, log=True, seed=str(number)) for number in range(2000)]

    near = sum(1e-3 / 3 <= value <= 3e-3 for value in drawn) / len(drawn)
    assert near == pytest.approx(0.68 / 0.98, abs=0.03)
    assert 1e-5 <= min(drawn) < max(drawn) <= 1e-2
    assert math.exp(sum(map(math.log, drawn)) / len(drawn)) == pytest.approx(1e-3, rel=0.1)


@pytest.mark.parametrize(
    ("prior", "low", "high"),
    [
        (Prior(centre=0.1, spread=1e-12), 0.0, 1.0),
        (Prior(centre=0.0, spread=1e9), 0.0, 1.0),
        (Prior(centre=1.0, spread=1e-3), 0.0, 1.0),
    ],
)
def test_extreme_spreads_stay_within_the_range(prior: Prior, low: float, high: float) -> None:
    drawn = [draw_number(prior, low=low, high=high, log=False, seed=str(number)) for number in range(100)]

    assert all(low <= value <= high for value in drawn)


def test_a_favourite_takes_its_share_and_weights_take_theirs() -> None:
    values = ["adam", "sgd", "nadam"]
    favourite, weights = Prior(favourite="sgd", share=0.6), Prior(weights={"adam": 3, "sgd": 1})

    by_favourite = Counter(draw_choice(favourite, values, seed=str(number)) for number in range(2000))
    by_weights = Counter(draw_choice(weights, values, seed=str(number)) for number in range(2000))

    assert by_favourite["sgd"] / 2000 == pytest.approx(0.6, abs=0.03)
    assert by_favourite["nadam"] / 2000 == pytest.approx(0.2, abs=0.03)
    assert by_weights["adam"] / 2000 == pytest.approx(0.75, abs=0.03)
    assert by_weights["nadam"] == 0


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{centre = 0.1}", r"space.units.prior.spread: missing; expected both centre and spread"),
        ("{centre = 0.1, spread = 0}", r"space.units.prior.spread: .*expected a number above 0"),
        ("{centre = 0.1, spread = 1, favourite = 1}", r"space.units.prior.centre: received centre and favourite"),
        ("{share = 0.5}", r"space.units.prior.centre: missing; expected centre and spread, or favourite, or weights"),
        ("{favourite = 1, share = 1.5}", r"space.units.prior.share: .*expected a number below 1"),
        ("{weights = {a = -1, b = 1}}", r"space.units.prior.weights: expected numbers of at least 0"),
        ("{mean = 1}", r"space.units.prior"),
    ],
)
def test_a_prior_that_says_too_little_or_too_much_is_refused_in_one_line(written: str, message: str) -> None:
    with pytest.raises(TunerError, match=message) as caught:
        make_definition(space="mlp", dataset="digits", overrides=[f"space.units.prior={written}"])
    assert "\n" not in str(caught.value)


def test_a_definition_with_priors_is_stored_and_written_again() -> None:
    definition = make_definition(
        space="mlp",
        dataset="digits",
        overrides=["space.units.prior={centre = 64, spread = 2}", "space.loss.prior={favourite = 'kl_divergence'}"],
    )

    assert type(definition).from_json(definition.to_json()) == definition
    assert definition.to_settings()["space"]["units"] == {"prior": {"centre": 64, "spread": 2}}


@pytest.mark.parametrize(
    ("sampler", "first", "later"),
    [("tpe", True, False), ("nsga2", True, False), ("random", True, True), ("qmc", False, False)],
)
def test_samplers_that_begin_at_random_begin_with_priors(sampler: str, *, first: bool, later: bool) -> None:
    definition = make_definition(
        space="mlp", dataset="digits", sampler=sampler, overrides=["space.units.prior={centre = 64, spread = 2}"]
    )
    unused = describe_unused(definition.search, definition.ranges)

    assert takes_priors(definition.search, 0) == first
    assert takes_priors(definition.search, definition.search.startup_trials) == later
    assert (unused is None) == first
    if unused is not None:
        assert unused.startswith("The prior of units is not used, because the sampler is qmc: cmaes, gp, nsga2,")


def test_priors_in_words() -> None:
    assert describe_prior(Prior(centre=1e-3, spread=3), log=True) == "0.001, within a factor of 3"
    assert describe_prior(Prior(centre=0.3, spread=0.1), log=False) == "0.3 ± 0.1"
    assert describe_prior(Prior(centre=0.3, spread=0.1)) == "0.3, spread 0.1"
    assert describe_prior(Prior(favourite=True)) == "true 50 %"
    assert describe_prior(Prior(weights={"adam": 3, "sgd": 1})) == "adam 75 %, sgd 25 %"


def test_a_range_may_have_nothing_but_a_prior() -> None:
    assert SpaceRange(prior=Prior(favourite="relu")).low is None
