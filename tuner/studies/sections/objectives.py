"""What the settings of `[search]` may say of the objectives of a study, of one and of several."""

from collections.abc import Sequence
from typing import Any, Protocol

from tuner.errors import did_you_mean
from tuner.objectives import COSTS, OBJECTIVES, Direction
from tuner.setting_tables import contradiction

#: Samplers that compare trials by one value.
_OF_ONE_OBJECTIVE = ("cmaes", "one-factor")
_SCORES = f"one of {', '.join(OBJECTIVES)}, a metric of the model, or package.module:function"


class SearchedObjectives(Protocol):
    """What `[search]` says of its objectives, and what goes with them."""

    @property
    def objective(self) -> str: ...
    @property
    def objectives(self) -> tuple[str, ...]: ...
    @property
    def constraints(self) -> tuple[str, ...]: ...
    @property
    def direction(self) -> Direction | None: ...
    @property
    def directions(self) -> tuple[Direction, ...]: ...
    @property
    def sampler(self) -> str: ...
    @property
    def pruner(self) -> str: ...


def leading_of_several(written: Any) -> str | None:
    """Return the first of several objectives that training changes, which leads; None where there is none."""
    if not isinstance(written, Sequence) or isinstance(written, str) or len(written) < 2:  # noqa: PLR2004 - several
        return None
    return next((name for name in written if isinstance(name, str) and name not in COSTS), None)


def direction_of(search: SearchedObjectives, name: str) -> Direction | None:
    """Return which end of one of the objectives the study says is better; None where it says nothing."""
    if search.directions:
        return search.directions[search.objectives.index(name)]
    return search.direction if name == search.objective else None


def refuse_wrong_objectives(search: SearchedObjectives) -> None:
    """Raise `contradiction` where the objectives cannot be those of a study, or do not go with other settings."""
    if search.objectives:
        _refuse_wrong_list(search)
    elif search.objective in COSTS:
        raise contradiction(
            "objective",
            f"received {search.objective!r}, which no training changes: there is nothing to learn from; expected "
            f'{_SCORES}, or search.objectives = ["accuracy", "{search.objective}"]',
        )
    for name in search.objectives or (search.objective,):
        if name.startswith("val_"):
            raise contradiction(
                "objectives" if search.objectives else "objective",
                f"received {name!r}, expected {name.removeprefix('val_')!r}: an objective is always measured on the "
                "validation images",
            )
    _refuse_wrong_directions(search)
    _refuse_equal_constraints(search.constraints)


def _refuse_wrong_list(search: SearchedObjectives) -> None:
    names = search.objectives
    repeated = next((name for name in names if names.count(name) > 1), None)
    scores = [name for name in names if name not in COSTS]
    listed, listed_costs = ", ".join(names), ", ".join(COSTS)
    if repeated is not None:
        raise contradiction("objectives", f"has {repeated!r} twice; expected each objective once")
    if not scores:
        raise contradiction(
            "objectives",
            f"received {listed}, which no training changes: there is nothing to learn from; expected {_SCORES} beside "
            "costs",
        )
    if len(names) == 1:
        raise contradiction(
            "objectives", f'received only {listed!r}; expected search.objective = "{listed}", or several'
        )
    for name in scores:
        # A person meant the cost that it is close to.
        if name not in OBJECTIVES and (guess := did_you_mean(name, COSTS)):
            raise contradiction(
                "objectives", f"received {name!r}; expected {_SCORES}, or a cost: {listed_costs}.{guess}"
            )
    if search.objective not in scores:
        raise contradiction(
            "objective",
            f"received {search.objective!r} beside search.objectives without it; expected the one of them that leads, "
            f"{' or '.join(map(repr, scores))}, or none of this setting",
        )
    if search.sampler in _OF_ONE_OBJECTIVE:
        raise contradiction(
            "sampler",
            f"received {search.sampler!r}, which knows one objective only, and search.objectives has {len(names)}; "
            "expected tpe, nsga2, nsga3, gp, random, qmc or grid",
        )
    if search.pruner != "none":
        raise contradiction(
            "pruner",
            f"received {search.pruner!r}, but with search.objectives no trial is pruned: one of a low score may "
            'yet be on the front; expected "none", or no pruner',
        )


def _refuse_wrong_directions(search: SearchedObjectives) -> None:
    if search.directions and (len(search.directions) != len(search.objectives) or search.direction is not None):
        raise contradiction(
            "directions",
            f"received {', '.join(search.directions)}"
            + (", and search.direction" if search.direction is not None else "")
            + f"; expected one for each of search.objectives ({', '.join(search.objectives) or 'none'}), in their order"
            + (", or search.direction for the one that leads" if search.objectives else ""),
        )
    for name in search.objectives or (search.objective,):
        known, said = {**OBJECTIVES, **COSTS}.get(name), direction_of(search, name)
        if known is not None and said is not None and said != known.direction:
            raise contradiction(
                "directions" if search.directions else "direction",
                f"received {said!r}, but {known.name} can only be {known.direction}d",
            )


def _refuse_equal_constraints(constraints: Sequence[str]) -> None:
    repeated = next((one for one in constraints if constraints.count(one) > 1), None)
    if repeated is not None:
        raise contradiction("constraints", f"has {repeated!r} twice; expected each constraint once")
