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
    def sampler(self) -> str: ...
    @property
    def pruner(self) -> str: ...


def score_of_several(written: Any) -> str | None:
    """Return the objective among several that training changes; None where there is not exactly one."""
    if not isinstance(written, Sequence) or isinstance(written, str):
        return None
    scores = [name for name in written if isinstance(name, str) and name not in COSTS]
    return scores[0] if len(scores) == 1 and len(written) > 1 else None


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
    if search.objective.startswith("val_"):
        raise contradiction(
            "objectives" if search.objectives else "objective",
            f"received {search.objective!r}, expected {search.objective.removeprefix('val_')!r}: an objective is "
            "always measured on the validation images",
        )
    known = OBJECTIVES.get(search.objective)
    if (
        known is not None
        and search.direction is not None
        and (search.objectives or search.direction != known.direction)
    ):
        told = f"{known.name} can only be {known.direction}d"
        raise contradiction(
            "direction",
            f"received {search.direction!r} with several objectives, whose directions are known: {told}, and costs "
            "minimized; expected none"
            if search.objectives
            else f"received {search.direction!r}, but {told}",
        )
    _refuse_equal_constraints(search.constraints)


def _refuse_wrong_list(search: SearchedObjectives) -> None:
    names = search.objectives
    repeated = next((name for name in names if names.count(name) > 1), None)
    scores = [name for name in names if name not in COSTS]
    listed = ", ".join(names)
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
    if len(scores) > 1:
        # A person may have meant the cost that one of them is close to.
        guess = next(filter(None, (did_you_mean(name, COSTS) for name in scores if name not in OBJECTIVES)), "")
        raise contradiction(
            "objectives",
            f"received {' and '.join(map(repr, scores))}, of which an epoch has one score alone; expected one of them, "
            f"and costs: {', '.join(COSTS)}.{guess}",
        )
    if search.objective != scores[0]:
        raise contradiction(
            "objective",
            f"received {search.objective!r} beside search.objectives with {scores[0]!r}; expected only one of these "
            "settings",
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
            f"received {search.pruner!r}, but with search.objectives no trial is pruned: a low score alone does not "
            'make a small model worse; expected "none", or no pruner',
        )


def _refuse_equal_constraints(constraints: Sequence[str]) -> None:
    repeated = next((one for one in constraints if constraints.count(one) > 1), None)
    if repeated is not None:
        raise contradiction("constraints", f"has {repeated!r} twice; expected each constraint once")
