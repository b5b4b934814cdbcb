"""A space in words, as `tuner space show` prints it: each hyperparameter's range, default, condition and purpose."""

from collections import Counter
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.plain_values import Hyperparameters
from tuner.space_ranges import Prior, SpaceRange
from tuner.spaces.declared import declare_hyperparameters
from tuner.spaces.fixed_values import may_be_asked
from tuner.spaces.parameter_words import conditional_name, describe_conditions, describe_range
from tuner.spaces.ranges import RangedHyperParameters, Ranges, range_of
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
    #: Number of values that it can have; None for a continuous one.
    n_values: int | None
    #: Where a study expects good values; None where it does not say.
    prior: Prior | None = None
    #: Whether a range is logarithmic.
    is_logarithmic: bool = False


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

    @property
    def n_combinations(self) -> int:
        """Number of combinations of all that is not continuous, as if no condition kept any from being asked."""
        return prod(parameter.n_values or 1 for parameter in self.parameters)

    @property
    def n_continuous(self) -> int:
        """Number of continuous hyperparameters."""
        return sum(parameter.n_values is None for parameter in self.parameters)


def describe_space(
    space: Space,
    images: ImageFormat,
    *,
    ranges: Ranges = MappingProxyType({}),
    fixed: Hyperparameters = MappingProxyType({}),
) -> SpaceDescription:
    """Describe a space; builds its default model, and one more for each conditional scope.

    Args:
        space: The space.
        images: The format of its images.
        ranges: A study's, in place of what the builder declares.
        fixed: A study's fixed values, which are left out of the hyperparameters, as are those that they rule out.
    """
    hp = RangedHyperParameters(ranges)
    hp.values = dict(fixed)
    return SpaceDescription(
        name=space.name,
        description=space.description,
        image_shape=images.shape,
        n_classes=images.n_classes,
        n_weights=space.build(hp, images).count_params(),
        parameters=tuple(
            ParameterDescription(
                name=parameter.name,
                kind=type(parameter).__name__.lower(),
                range=describe_range(parameter),
                default=parameter.default,
                condition=describe_conditions(parameter.conditions),
                help=space.help.get(parameter.name, ""),
                n_values=_count_values(parameter),
                prior=_find_prior(parameter, ranges),
                is_logarithmic=getattr(parameter, "sampling", "linear") == "log",
            )
            for parameter in declare_hyperparameters(space, images, ranges=ranges)
            if parameter.name not in fixed and may_be_asked(parameter, fixed)
        ),
    )


def _find_prior(parameter: Any, ranges: Ranges) -> Prior | None:
    wanted = ranges.get(conditional_name(parameter), ranges.get(parameter.name))
    return None if wanted is None else wanted.prior


def _count_values(parameter: Any) -> int | None:
    if isinstance(parameter, keras_tuner.engine.hyperparameters.Fixed):
        return 1
    if isinstance(parameter, keras_tuner.engine.hyperparameters.Float) and parameter.step is None:
        return None
    # KerasTuner gives a generator of a few kinds.
    return len(list(parameter.values))


@dataclass(frozen=True, kw_only=True)
class DeclaredRange:
    """One hyperparameter as a study's `[space.NAME]` would have it."""

    #: With its conditions where other branches have the name too.
    name: str
    #: None for a value that is not searched.
    range: SpaceRange | None
    default: Any
    #: When it is asked and what it is for, in words.
    help: str


def list_ranges(space: Space, images: ImageFormat) -> list[DeclaredRange]:
    """Return the ranges of all hyperparameters; a study that gives them searches what it would search without them."""
    declared = declare_hyperparameters(space, images)
    branches = Counter(parameter.name for parameter in declared)
    found = []
    for parameter in declared:
        condition = describe_conditions(parameter.conditions)
        name = parameter.name if branches[parameter.name] == 1 else conditional_name(parameter)
        when = f"When {condition}. " if condition else ""
        explained = " ".join((when + space.help.get(parameter.name, "")).split())
        found.append(DeclaredRange(name=name, range=range_of(parameter), default=parameter.default, help=explained))
    return found
