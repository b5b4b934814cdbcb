"""A space in words, as `tuner space show` prints it: each hyperparameter's range, default, condition and purpose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.spaces.declared import declare_hyperparameters
from tuner.spaces.space import Space


@dataclass(frozen=True, kw_only=True)
class ParameterDescription:
    """One hyperparameter as its builder declares it."""

    name: str
    #: `int`, `float`, `choice`, `boolean`, or `fixed` for one that is declared but not searched.
    kind: str
    #: For people: `1 to 4`, `0.0001 to 0.01 (log)`, `relu, elu`.
    range: str
    default: Any
    #: When it is asked, such as `optimizer is sgd`; empty for always.
    condition: str
    help: str


@dataclass(frozen=True, kw_only=True)
class SpaceDescription:
    """A space for one format of images."""

    name: str
    description: str
    #: Height, width and channels of the images.
    image_shape: tuple[int, int, int]
    n_classes: int
    #: Weights of the model with all defaults, trained or not.
    n_weights: int
    parameters: tuple[ParameterDescription, ...]


def describe_space(space: Space, images: ImageFormat) -> SpaceDescription:
    """Describe a space; builds its default model, and one more for each conditional scope."""
    return SpaceDescription(
        name=space.name,
        description=space.description,
        image_shape=images.shape,
        n_classes=images.n_classes,
        n_weights=space.build(keras_tuner.HyperParameters(), images).count_params(),
        parameters=tuple(
            ParameterDescription(
                name=parameter.name,
                kind=type(parameter).__name__.lower(),
                range=describe_range(parameter),
                default=parameter.default,
                condition=describe_conditions(parameter.conditions),
                help=space.help.get(parameter.name, ""),
            )
            for parameter in declare_hyperparameters(space, images)
        ),
    )


def describe_range(parameter: Any) -> str:
    """Return in words the values of a `keras_tuner.engine.hyperparameters` object."""
    kinds = keras_tuner.engine.hyperparameters
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


def describe_conditions(conditions: Sequence[Any]) -> str:
    """Return in words when a conditional hyperparameter is asked; empty for always."""
    return " and ".join(
        f"{condition.name} is {' or '.join(str(value) for value in condition.values)}" for condition in conditions
    )
