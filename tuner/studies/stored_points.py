"""The points of a study's trials as the database has them, for those who need no more of the trials than that."""

from collections.abc import Sequence

import sqlalchemy as sa

from tuner.objectives import Measure
from tuner.studies.database.schema import slots
from tuner.studies.database.texts import read_number
from tuner.studies.fronts import Point, find_front, point_of


def read_front(
    connection: sa.Connection, study_id: int, measures: Sequence[Measure], *, has_folds: bool
) -> dict[Point, float]:
    """Return the points of a study's Pareto front, each with when the first trial finished that has it.

    Args:
        connection: To the database.
        study_id: The study's.
        measures: Its objective, and the others after it.
        has_folds: Whether only complete trials count, as the others have a mean of fewer folds.
    """
    beside = (slots.c.outcome[name].as_json().label(name) for name in ("costs", "others"))
    finished = (
        sa.select(slots.c.finished_at, slots.c.score, *beside)
        .where(slots.c.study_id == study_id, slots.c.stage == "search", slots.c.finished_at.is_not(None))
        .where(slots.c.result == "complete" if has_folds else slots.c.result != "failed", slots.c.score.is_not(None))
        .order_by(slots.c.finished_at)
    )
    first: dict[Point, float] = {}
    for row in connection.execute(finished):
        stored = {**(row.costs or {}), **(row.others or {})}
        point = point_of(measures, [row.score, *(read_number(stored.get(measure.name)) for measure in measures[1:])])
        if point is not None:
            first.setdefault(point, row.finished_at)
    points = list(first)
    return {points[place]: first[points[place]] for place in find_front(points)}
