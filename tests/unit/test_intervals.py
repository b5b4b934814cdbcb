import pytest

from tuner.intervals import wilson_interval


# Expected values: Newcombe 1998, table I, method 3, to four decimals.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_wilson_interval_agrees_with_the_published_table(successes: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_a_perfect_score_still_leaves_doubt_and_stays_below_one() -> None:
    low, high = wilson_interval(10_000, 10_000)

    assert 0.999 < low < 1
    assert high == 1


def test_a_wider_quantile_gives_a_wider_interval() -> None:
    low, high = wilson_interval(9_960, 10_000)
    lower, higher = wilson_interval(9_960, 10_000, z=2.576)

    assert lower < low < 0.996 < high < higher


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 10), (11, 10)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"Received {successes} successes of {n}"):
        wilson_interval(successes, n)
