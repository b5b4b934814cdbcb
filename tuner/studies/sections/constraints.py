"""`search.constraints`: limits of what a model needs, which are known before it is trained."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from tuner.errors import did_you_mean, shorten
from tuner.objectives import COSTS, Cost

_FORM = re.compile(r"\s*(?P<name>[^<>=\s]+)\s*(?P<relation>[<>=]+)\s*(?P<limit>\S+)\s*")
_EXPECTED = 'expected a cost, <= or >=, and a number, as in "parameters <= 100000"'


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """One limit of a cost."""

    cost: Cost
    #: Whether the limit is the largest value; else it is the smallest.
    is_upper: bool
    limit: float

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a constraint as a definition has it.

        Raises:
            ValueError: It cannot be read, or limits something that is not a cost.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"cannot read {shorten(text)!r}; {_EXPECTED}")
        name, relation = found["name"], found["relation"]
        if name not in COSTS:
            raise ValueError(
                f"{shorten(name)!r} is not measured before a model is trained; expected one of "
                f"{', '.join(COSTS)}.{did_you_mean(name, COSTS)}"
            )
        if relation not in {"<=", ">="}:
            raise ValueError(f"received {relation!r} in {shorten(text)!r}; {_EXPECTED}")
        try:
            limit = float(found["limit"])
        except ValueError:
            limit = math.nan
        if not math.isfinite(limit) or limit <= 0:
            raise ValueError(f"{shorten(found['limit'])!r} is no number above 0; {_EXPECTED}")
        return cls(cost=COSTS[name], is_upper=relation == "<=", limit=limit)

    def __str__(self) -> str:
        """Return it as a definition has it."""
        return f"{self.cost.name} {'<=' if self.is_upper else '>='} {self.limit:.12g}"

    def excess(self, value: float) -> float:
        """Return by which share of the limit a value is beyond it; 0 or less where it is within, as Optuna has it."""
        beyond = (value - self.limit) / self.limit
        return beyond if self.is_upper else -beyond


def read_constraints(texts: Sequence[str]) -> tuple[Constraint, ...]:
    """Read the constraints of a definition that was validated.

    Raises:
        ValueError: See `Constraint.read`.
    """
    return tuple(map(Constraint.read, texts))


def describe_violation(constraints: Sequence[Constraint], costs: Mapping[str, float]) -> str | None:
    """Return which of the constraints a model's costs violate, as the end of a sentence; None where they keep all."""
    violated = [each for each in constraints if each.excess(costs[each.cost.name]) > 0]
    told = [f"{each.cost.named(costs[each.cost.name])}, and search.constraints has {each}" for each in violated]
    return "; ".join(told) or None
