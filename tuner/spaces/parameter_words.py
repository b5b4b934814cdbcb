"""A hyperparameter as its builder declares it, in words: its values, its conditions, its name with them."""

from collections.abc import Sequence
from typing import Any

from keras_tuner.engine import hyperparameters as kinds


def describe_range(parameter: Any) -> str:
    """Return in words the values of a `keras_tuner.engine.hyperparameters` object."""
    if isinstance(parameter, kinds.Boolean):
        return "true, false"
    if isinstance(parameter, kinds.Fixed):
        return f"{parameter.value} (not searched)"
    if isinstance(parameter, kinds.Choice):
        return ", ".join(str(value) for value in parameter.values)
    text = f"{parameter.min_value:g} to {parameter.max_value:g}"
    details = []
    if parameter.sampling != "linear":
        details.append(parameter.sampling.replace("_", " "))
    if parameter.step is not None and (parameter.step != 1 or isinstance(parameter, kinds.Float)):
        details.append(f"{'times' if parameter.sampling != 'linear' else 'step'} {parameter.step:g}")
    return f"{text} ({', '.join(details)})" if details else text


def conditional_name(parameter: Any) -> str:
    """Return the name with the conditions, which no other branch has: `momentum [optimizer=sgd]`."""
    if not parameter.conditions:
        return str(parameter.name)
    conditions = (f"{condition.name}={'|'.join(map(str, condition.values))}" for condition in parameter.conditions)
    return f"{parameter.name} [{', '.join(conditions)}]"


def describe_branch(parameter: Any) -> str:
    """Return the values and, where there is one, the condition: `0.001 to 1 (log) when optimizer is sgd`."""
    condition = describe_conditions(parameter.conditions)
    return describe_range(parameter) + (f" when {condition}" if condition else "")


def describe_conditions(conditions: Sequence[Any]) -> str:
    """Return in words when a conditional hyperparameter is asked; empty for always."""
    return " and ".join(
        f"{condition.name} is {' or '.join(str(value) for value in condition.values)}" for condition in conditions
    )
