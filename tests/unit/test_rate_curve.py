import numpy as np
import pytest
from numpy.typing import NDArray

from tuner.training.rate_curve import NoRangeError, RateCurve, read_curve, smooth

RATES = np.geomspace(1e-6, 100, 200)


def losses_like_a_net(*, begins: float = 1e-4, lowest: float = 1e-2, diverges: float = 1.0) -> NDArray[np.float64]:
    """A loss of 2.3 that falls to 0.3 between two rates and is back at a third one, with noise."""
    exponents = np.log10([1e-6, begins, lowest, diverges, 100])
    shape = np.interp(np.log10(RATES), exponents, [2.3, 2.3, 0.3, 2.3, 50])
    return shape + np.random.default_rng(0).normal(0, 0.05, len(RATES))


def curve_of(losses: NDArray[np.float64]) -> RateCurve:
    return read_curve("adam", RATES, losses.tolist(), batch_size=64)


def test_the_range_goes_from_where_the_loss_begins_to_fall_to_where_it_is_lowest() -> None:
    curve = curve_of(losses_like_a_net())

    low, high = curve.require_range()
    assert 1e-4 < low < 3e-4
    assert 5e-3 < high < 2e-2
    assert curve.steepest is not None
    assert low < curve.steepest < high
    assert curve.diverged == pytest.approx(0.1, rel=0.5)


def test_one_huge_loss_does_not_move_what_comes_before_it() -> None:
    calm = losses_like_a_net()
    exploding = np.append(calm[:140], 1e12)

    assert curve_of(exploding).suggested == curve_of(calm[:140]).suggested


def test_a_loss_that_was_not_finite_any_more_has_diverged_at_the_last_rate() -> None:
    curve = curve_of(losses_like_a_net()[:110])

    assert curve.diverged == RATES[109]


@pytest.mark.parametrize("losses", [np.full(200, 2.3), np.linspace(2.3, 9.0, 200)], ids=["flat", "rising"])
def test_a_loss_that_does_not_fall_suggests_nothing(losses: NDArray[np.float64]) -> None:
    curve = curve_of(losses + np.random.default_rng(0).normal(0, 0.02, 200))

    assert curve.suggested is None
    assert curve.steepest is None
    with pytest.raises(NoRangeError, match="No learning rate from 1e-06 to "):
        curve.require_range()


def test_smoothing_moves_nothing_to_higher_rates() -> None:
    step = np.repeat([2.0, 1.0], 50)

    smoothed = smooth(step, width=4)

    assert smoothed[49] + smoothed[50] == pytest.approx(3.0)
