"""Dominance, fronts, what is spread over them, and their knees."""

import itertools
import math

import numpy as np
import pytest
from support.objectives import ACCURACY

from tuner.objectives import COSTS
from tuner.studies.fronts import Point, find_front, find_knee, order_by_fronts, peel_fronts, point_of, spread_order

MEASURES = (ACCURACY, COSTS["parameters"])


def points_of(*values: tuple[float, float]) -> list[Point]:
    found = [point_of(MEASURES, pair) for pair in values]
    return [point for point in found if point is not None]


def brute_force(points: list[Point]) -> list[int]:
    def is_surpassed(place: int) -> bool:
        pairs = [list(zip(other, points[place], strict=True)) for other in points]
        return any(all(a >= b for a, b in pair) and any(a > b for a, b in pair) for pair in pairs)

    return [place for place in range(len(points)) if not is_surpassed(place)]


@pytest.mark.parametrize("n_objectives", [2, 3])
def test_a_front_is_what_comparing_each_with_each_finds(n_objectives: int) -> None:
    # Few different values, so that many are equal in one objective or in all.
    random = np.random.default_rng(n_objectives)
    points: list[Point] = [tuple(map(float, row)) for row in random.integers(0, 6, (80, n_objectives))]

    layers = list(peel_fronts(points))

    assert find_front(points) == layers[0] == brute_force(points)
    assert sorted(itertools.chain(*layers)) == list(range(80))
    left = [place for place in range(80) if place not in layers[0]]
    assert layers[1] == [left[place] for place in brute_force([points[place] for place in left])]


def test_equal_trials_are_all_on_the_front_and_a_better_one_leaves_none_of_them() -> None:
    assert find_front(points_of((0.9, 100), (0.9, 100), (0.8, 100))) == [0, 1]
    assert find_front(points_of((0.9, 100), (0.9, 100), (0.9, 99))) == [2]


@pytest.mark.parametrize("values", [(None, 100), (0.9, None), (math.nan, 100)])
def test_what_was_not_measured_cannot_be_compared(values: tuple[float | None, float | None]) -> None:
    assert point_of(MEASURES, values) is None


def test_the_first_few_of_a_front_are_the_best_score_the_knee_and_the_farthest_from_these() -> None:
    points = points_of((0.90, 1e3), (0.97, 1e4), (0.971, 1.1e4), (0.99, 1e5), (0.989, 9e4))

    assert find_knee(MEASURES, points) == 1
    assert spread_order(MEASURES, points) == [3, 1, 0, 4, 2]


def test_what_is_dominated_comes_after_the_whole_front() -> None:
    points = points_of((0.99, 100), (0.98, 200), (0.90, 10))

    assert order_by_fronts(MEASURES, points) == [0, 2, 1]


def test_a_knee_is_the_best_compromise_and_no_end() -> None:
    assert find_knee(MEASURES, points_of((0.50, 1e3), (0.97, 2e3), (0.98, 1e5))) == 1
    assert find_knee(MEASURES, points_of((0.50, 1e3), (0.98, 1e5))) is None


def test_trials_that_differ_in_nothing_can_be_ordered() -> None:
    points = points_of(*[(0.9, 100)] * 4)

    assert spread_order(MEASURES, points) == [0, 1, 2, 3]
    assert find_knee(MEASURES, points) == 0
