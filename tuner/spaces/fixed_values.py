"""Values that a study fixes instead of searching them, checked against what the space declares."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from keras_tuner.engine import hyperparameters as kinds

from tuner.errors import TunerError, did_you_mean
from tuner.plain_values import Hyperparameters
from tuner.spaces.parameter_words import describe_branch


class FixedValueError(TunerError):
    """A study fixes a hyperparameter to a value of another kind than the space declares."""

    def __init__(self, parameter: Any, value: Any) -> None:
        super().__init__(
            f"The study fixes {parameter.name} to {value!r}, but the space expects {describe_branch(parameter)}. "
            "Change it in the study's `fixed` section."
        )


class UnknownFixedError(TunerError):
    """A study fixes a hyperparameter that its space does not ask for."""

    def __init__(self, names: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(
            f"The study fixes {', '.join(map(repr, names))}, which its space does not ask for."
            f"{did_you_mean(names[0], known)} "
            f"It asks for: {', '.join(known) or 'nothing'}. Change the study's `fixed` section."
        )


def accept_fixed(parameter: Any, value: Any) -> Any:
    """Return a fixed value with the type of its `keras_tuner.engine.hyperparameters` object.

    Ranges and steps bind the sampler, not the person: a number may lie outside of them, see `why_outside`, and the
    layer or optimizer that gets it may still refuse it. A text must be one that the builder offers, because a builder
    may take any other for a choice that was not meant.

    Raises:
        FixedValueError: It is of another type, not finite, or a text that the builder does not offer.
    """
    accepted = None
    if isinstance(parameter, kinds.Boolean):
        accepted = value if isinstance(value, bool) else None
    elif isinstance(parameter, kinds.Choice):
        accepted = _accept_choice(parameter.values, value)
    elif isinstance(parameter, kinds.Fixed):
        accepted = convert_exactly(value, type(parameter.value))
    else:
        accepted = convert_exactly(value, int if isinstance(parameter, kinds.Int) else float)
    if accepted is None:
        raise FixedValueError(parameter, value)
    return accepted


def why_outside(parameter: Any, value: Any) -> str:
    """Return a sentence about an accepted value that lies outside of the range or choices; empty for one inside.

    A value between two steps is inside.
    """
    if isinstance(parameter, kinds.Fixed | kinds.Boolean):
        return ""
    if isinstance(parameter, kinds.Choice):
        is_inside = value in parameter.values
    else:
        is_inside = parameter.min_value <= value <= parameter.max_value
    if is_inside:
        return ""
    return (
        f"fixed.{parameter.name} = {value!r} lies outside of what the space searches, {describe_branch(parameter)}; it "
        "is used as given."
    )


def _accept_choice(choices: Sequence[Any], value: Any) -> Any:
    # KerasTuner turns booleans into 0 and 1.
    may_be_flags = set(choices) <= {0, 1} and not any(isinstance(choice, float) for choice in choices)
    if isinstance(choices[0], str) or may_be_flags:
        return next((choice for choice in choices if choice == value), None)
    return convert_exactly(value, float if isinstance(choices[0], float) else int)


def refuse_unknown(fixed: Iterable[str], known: Iterable[str]) -> None:
    """Check that every fixed name is known.

    Raises:
        UnknownFixedError: One is not.
    """
    unknown = sorted(set(fixed) - set(known))
    if unknown:
        raise UnknownFixedError(unknown, tuple(dict.fromkeys(known)))


def may_be_asked(parameter: Any, fixed: Hyperparameters) -> bool:
    """Say whether the fixed values leave the hyperparameter's conditions possible."""
    return all(condition.name not in fixed or condition.is_active(fixed) for condition in parameter.conditions)


def convert_exactly(value: Any, kind: type) -> Any:
    """Return the value as this type if it stays the same value, else None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if type(value) is kind:
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return kind(value) if is_number and kind in {int, float} and kind(value) == value else None
