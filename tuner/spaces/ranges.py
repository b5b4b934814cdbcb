"""What a study searches of a hyperparameter in place of what its builder declares.

| a study gives | for | the search draws |
|---|---|---|
| `low`, `high`, `log`, `step` | every number, also a `Choice` among some and a `Fixed` one | from this range |
| `values` | everything | one of these values; of texts only those that the builder offers |
| `default` | everything | as declared; the first trial has this value |

Types stay as declared. The changes are made where KerasTuner registers a hyperparameter, so that it
makes no difference whether a family, a person's function or a HyperModel asks for it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras_tuner
from keras_tuner.engine import hyperparameters as kinds

from tuner.errors import TunerError, did_you_mean
from tuner.space_ranges import SpaceRange
from tuner.spaces.fixed_values import convert_exactly
from tuner.spaces.parameter_words import conditional_name, describe_branch, describe_range

Ranges = Mapping[str, SpaceRange]


class RangeError(TunerError):
    """A study's range does not fit the hyperparameter that the builder declares."""

    def __init__(self, parameter: Any, setting: str, problem: str) -> None:
        super().__init__(
            f"space.{parameter.name}.{setting}: {problem}. The builder declares {describe_branch(parameter)}."
        )


class UnknownRangeError(TunerError):
    """A study gives a range for a hyperparameter that its space does not ask for."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"space.{name}: the space does not ask for it.{did_you_mean(name, known)} "
            f"It asks for: {', '.join(known) or 'nothing'}."
        )


class RangedHyperParameters(keras_tuner.HyperParameters):  # type: ignore[misc] # KerasTuner ships no types
    """KerasTuner's hyperparameters with a study's ranges: they answer with the defaults."""

    def __init__(self, ranges: Ranges) -> None:
        super().__init__()
        self._ranges = ranges
        #: In sentences: the declared defaults that a range without one of its own excludes, and the names that are
        #: asked for again with other values.
        self.remarks: dict[str, None] = {}

    def _retrieve(self, hp: Any) -> Any:
        # All of KerasTuner's methods call this one.
        ranged = with_range(hp, self._ranges)
        wanted = _find_range(hp, self._ranges)
        if wanted is not None and wanted.default is None and ranged.default != hp.default:
            sentence = (
                f"The range of {hp.name} excludes its default {hp.default!r}; {ranged.default!r} takes its place."
            )
            self.remarks[sentence] = None
        first = next((one for one in self._hps.get(hp.name, ()) if one.conditions == hp.conditions), ranged)
        if (type(first), describe_range(first)) != (type(ranged), describe_range(ranged)):
            sentence = (
                f"The builder asks for {hp.name!r} twice, as {describe_range(first)} and as {describe_range(ranged)}: "
                "both have the first one's value. Give them different names."
            )
            self.remarks[sentence] = None
        return super()._retrieve(ranged)


def refuse_unknown_ranges(ranges: Ranges, declared: Iterable[Any]) -> None:
    """Check that the space asks for every hyperparameter that has a range.

    Raises:
        UnknownRangeError: It does not ask for one of them.
    """
    known = {name: None for parameter in declared for name in (parameter.name, conditional_name(parameter))}
    for name in ranges:
        if name not in known:
            raise UnknownRangeError(name, tuple(known))


def with_range(parameter: Any, ranges: Ranges) -> Any:
    """Return a `keras_tuner.engine.hyperparameters` object with the study's range for it, if there is one.

    A range under the name with its conditions counts before one under the plain name, which is for every branch.

    Raises:
        RangeError: The range does not fit what is declared.
    """
    wanted = _find_range(parameter, ranges)
    if wanted is None:
        return parameter
    if wanted.values is not None:
        return _among(parameter, wanted, wanted.values)
    if any(one is not None for one in (wanted.low, wanted.high, wanted.step, wanted.log)):
        return _between(parameter, wanted)
    return _with_default(parameter, wanted)


def _find_range(parameter: Any, ranges: Ranges) -> SpaceRange | None:
    return ranges.get(conditional_name(parameter), ranges.get(parameter.name))


def range_of(parameter: Any) -> SpaceRange | None:
    """Return the range with which `with_range` changes nothing; None for a value that is not searched."""
    if isinstance(parameter, kinds.Fixed):
        return None
    if isinstance(parameter, kinds.Boolean):
        return SpaceRange(default=parameter.default)
    if isinstance(parameter, kinds.Choice):
        values = tuple(dict.fromkeys(parameter.values))
        return SpaceRange(values=values if len(values) > 1 else None, default=parameter.default)
    whole = isinstance(parameter, kinds.Int)
    return SpaceRange(
        low=parameter.min_value,
        high=parameter.max_value,
        step=None if whole and parameter.sampling == "linear" and parameter.step == 1 else parameter.step,
        log=True if parameter.sampling == "log" else None,
        default=parameter.default,
    )


def can_be_asked(parameter: Any, declared: Iterable[Any]) -> bool:
    """Say whether the ranges of the hyperparameters that it depends on leave its conditions possible."""
    return all(
        any(_may_be(parent, value) for parent in parents for value in condition.values)
        for condition in parameter.conditions
        if (parents := [one for one in declared if one.name == condition.name])
    )


def _may_be(parent: Any, value: Any) -> bool:
    if isinstance(parent, kinds.Int | kinds.Float):
        return bool(parent.min_value <= value <= parent.max_value)
    return value in parent.values


def _among(parameter: Any, wanted: SpaceRange, values: Sequence[Any]) -> Any:
    taken = [_take(parameter, "values", value) for value in values]
    if wanted.default is not None:
        default = _take(parameter, "default", wanted.default)
        if default not in taken:
            raise RangeError(parameter, "default", f"received {default!r}, expected one of its values")
    elif parameter.default in taken:
        default = parameter.default
    else:
        default = (
            taken[0] if _number_type(parameter) is None else min(taken, key=lambda one: abs(one - parameter.default))
        )
    if isinstance(default, bool):
        return kinds.Boolean(parameter.name, default=default, conditions=parameter.conditions)
    return kinds.Choice(parameter.name, taken, default=default, conditions=parameter.conditions)


def _between(parameter: Any, wanted: SpaceRange) -> Any:
    number = _number_type(parameter)
    given = next(name for name in ("low", "high", "step", "log") if getattr(wanted, name) is not None)
    if number is None:
        raise RangeError(parameter, given, "expected values, as it is no number")
    low, high = (
        declared if value is None else _take(parameter, name, value)
        for name, value, declared in zip(("low", "high"), (wanted.low, wanted.high), _ends(parameter), strict=True)
    )
    if low is None or high is None:
        raise RangeError(parameter, given, "expected both low and high")
    if low >= high:
        raise RangeError(parameter, given, f"expected low below high, received {low:g} and {high:g}")
    declared_sampling = getattr(parameter, "sampling", "linear")
    sampling = declared_sampling if wanted.log is None else ("log" if wanted.log else "linear")
    if sampling != "linear" and low <= 0:
        raise RangeError(parameter, given, f"received low = {low:g}, expected more than 0 on a logarithmic scale")
    step = getattr(parameter, "step", None) if sampling == declared_sampling else None
    if wanted.step is not None:
        step = _take(parameter, "step", wanted.step)
        if sampling != "linear" and step <= 1:
            raise RangeError(parameter, "step", f"received {step:g}, expected more than 1 on a logarithmic scale")
    if wanted.default is None:
        default = min(max(parameter.default, low), _last(low, high, step, sampling))
    else:
        default = _take(parameter, "default", wanted.default)
        if not low <= default <= high:
            raise RangeError(parameter, "default", f"received {default!r}, expected {low:g} to {high:g}")
    kind = kinds.Int if number is int else kinds.Float
    return kind(
        parameter.name,
        min_value=low,
        max_value=high,
        step=step,
        sampling=sampling,
        default=default,
        conditions=parameter.conditions,
    )


def _with_default(parameter: Any, wanted: SpaceRange) -> Any:
    default = parameter.default if wanted.default is None else _take(parameter, "default", wanted.default)
    if isinstance(parameter, kinds.Fixed):
        return kinds.Fixed(parameter.name, default, conditions=parameter.conditions)
    is_inside = (
        parameter.min_value <= default <= parameter.max_value
        if isinstance(parameter, kinds.Int | kinds.Float)
        else default in parameter.values
    )
    # A builder may itself have declared a default outside.
    if not is_inside and default != parameter.default:
        raise RangeError(parameter, "default", f"received {default!r}, expected one of its values")
    return type(parameter).from_config({**parameter.get_config(), "default": default})


def _take(parameter: Any, setting: str, value: Any) -> Any:
    """Return a given value with the hyperparameter's type.

    Raises:
        RangeError: It has another type, or is a text that the builder does not offer.
    """
    number = _number_type(parameter)
    if number is not None:
        taken, expected = convert_exactly(value, number), "a whole number" if number is int else "a number"
    elif isinstance(parameter, kinds.Fixed):
        taken, expected = convert_exactly(value, type(parameter.value)), type(parameter.value).__name__
    else:
        offered = () if isinstance(parameter, kinds.Boolean) and not isinstance(value, bool) else parameter.values
        taken = next((one for one in offered if one == value), None)
        expected = "a value that the builder offers"
    if taken is None:
        raise RangeError(parameter, setting, f"received {value!r}, expected {expected}")
    return taken


def _number_type(parameter: Any) -> type | None:
    """Return the type of a numeric hyperparameter; None for texts and flags."""
    if isinstance(parameter, kinds.Int | kinds.Float):
        return int if isinstance(parameter, kinds.Int) else float
    if isinstance(parameter, kinds.Boolean):
        return None
    types = {type(value) for value in parameter.values}
    # KerasTuner turns the booleans of a choice into 0 and 1.
    if types == {int} and isinstance(parameter, kinds.Choice) and set(parameter.values) <= {0, 1}:
        return None
    return next(iter(types)) if types <= {int} or types <= {float} else None


def _ends(parameter: Any) -> tuple[Any, Any]:
    """Return the smallest and the largest number that is declared; None twice for a fixed one."""
    if isinstance(parameter, kinds.Fixed):
        return None, None
    if isinstance(parameter, kinds.Choice):
        return min(parameter.values), max(parameter.values)
    return parameter.min_value, parameter.max_value


def _last(low: Any, high: Any, step: Any, sampling: str) -> Any:
    """Return the largest value that can be drawn."""
    if step is None or sampling != "linear":
        return high
    # Rounding may give 2.9999 steps instead of 3.
    return low + math.floor((high - low) / step + 1e-8) * step
