"""Pareto fronts: of several objectives, the trials that no other trial surpasses.

A point is a tuple of utilities, one for each objective, of which more is better. A point dominates another one where
it is at least as good in each and better in one; equal points do not dominate each other.
"""

import math
from collections.abc import Iterator, Sequence

from tuner.objectives import Cost, Measure, Objective

Point = tuple[float, ...]

#: Of a cost of nothing, whose logarithm is not finite.
_LEAST_COST = 1e-9


def point_of(measures: Sequence[Measure], values: Sequence[float | None]) -> Point | None:
    """Return the point of a trial's values; None where one is missing or NaN, and nothing can be compared."""
    point = tuple(measure.utility(value) for measure, value in zip(measures, values, strict=True))
    return None if any(value is None or math.isnan(value) for value in values) else point


def dominates(point: Point, other: Point) -> bool:
    """Say whether a point is better than another one in an objective, and worse in none."""
    return point != other and all(mine >= others for mine, others in zip(point, other, strict=True))


def find_front(points: Sequence[Point]) -> list[int]:
    """Return the places of the points that no other point dominates, in ascending order."""
    front: list[int] = []
    # A point can be dominated only by one that comes before it in this order.
    for place in sorted(range(len(points)), key=lambda place: points[place], reverse=True):
        if not any(dominates(points[other], points[place]) for other in front):
            front.append(place)
    return sorted(front)


def peel_fronts(points: Sequence[Point]) -> Iterator[list[int]]:
    """Yield the places of the front, then of the front of the points that are left, and so on."""
    left = list(range(len(points)))
    while left:
        layer = [left[place] for place in find_front([points[place] for place in left])]
        yield layer
        taken = set(layer)
        left = [place for place in left if place not in taken]


def spread_order(measures: Sequence[Measure], points: Sequence[Point]) -> list[int]:
    """Return the places of the points of one front in an order whose beginnings are each spread over the front.

    It begins with the point that is best in the first objective, and the knee; each next one is as far from those
    before it as possible, of equals the earlier one. Costs are compared by their logarithm, accuracies by that of
    the error, and every objective by its share of the front's range.
    """
    shares = _shares(measures, points)
    places = range(len(points))
    best = max(places, key=lambda place: (points[place], -place), default=None)
    order = [place for place in dict.fromkeys([best, find_knee(measures, points)]) if place is not None]
    nearest = [min((math.dist(shares[place], shares[one]) for one in order), default=0.0) for place in places]
    while len(order) < len(points):
        taken = set(order)
        chosen = max((place for place in places if place not in taken), key=lambda place: (nearest[place], -place))
        order.append(chosen)
        nearest = [min(near, math.dist(shares[place], shares[chosen])) for place, near in enumerate(nearest)]
    return order


def order_by_fronts(measures: Sequence[Measure], points: Sequence[Point]) -> list[int]:
    """Return the places of all points, front by front, each front in its `spread_order`."""
    order: list[int] = []
    for layer in peel_fronts(points):
        order += [layer[place] for place in spread_order(measures, [points[place] for place in layer])]
    return order


def find_knee(measures: Sequence[Measure], points: Sequence[Point]) -> int | None:
    """Return the place of the point of a front that is nearest to the best of every objective together.

    Distances are those of `spread_order`. None of fewer than three points, of which each is an end.
    """
    if len(points) < 3:  # noqa: PLR2004 - the two ends and one between
        return None
    shares = _shares(measures, points)
    ideal = (1.0,) * len(measures)
    return min(range(len(points)), key=lambda place: (math.dist(shares[place], ideal), place))


def _shares(measures: Sequence[Measure], points: Sequence[Point]) -> list[tuple[float, ...]]:
    """Return each point by its share of the range in each objective, in [0, 1], 1 the best."""
    columns = [
        _in_unit(_place(measure, column)) for measure, column in zip(measures, zip(*points, strict=True), strict=True)
    ]
    return list(zip(*columns, strict=True))


def _place(measure: Measure, utilities: Sequence[float]) -> Sequence[float]:
    """Return utilities on the scale on which distances are taken, that of the report's axes."""
    if isinstance(measure, Cost):
        return [-math.log10(max(-utility, _LEAST_COST)) for utility in utilities]
    if isinstance(measure, Objective) and measure.written_as == "percent" and measure.direction == "maximize":
        # No error lies at infinity.
        least = min((1 - utility for utility in utilities if utility < 1), default=1.0) / 2
        return [-math.log10(max(1 - utility, least)) for utility in utilities]
    return utilities


def _in_unit(values: Sequence[float]) -> list[float]:
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    room = (high - low) or 1.0
    # An infinite loss is the worst.
    return [(max(value, low) - low) / room for value in values]
