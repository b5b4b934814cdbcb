"""The hyperparameters that a space declares, found by building its models.

KerasTuner identifies a hyperparameter by its name and its conditions: a name may be declared once for each branch of a
conditional scope, each time with another range.
"""

import logging
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.spaces.ranges import RangedHyperParameters, Ranges, can_be_asked
from tuner.spaces.space import Space

_log = logging.getLogger(__name__)


def declare_hyperparameters(
    space: Space, images: ImageFormat, *, ranges: Ranges = MappingProxyType({})
) -> tuple[Any, ...]:
    """Return the space's `keras_tuner.engine.hyperparameters` objects, in the order in which they are found.

    They have the study's ranges in place of those that the builder declares; branches that these rule out are left out.
    A default that a range excludes, and a name that is asked for with two ranges, are logged as warnings.

    Builds a model with all defaults, and one more for each conditional scope that no earlier model has entered. What a
    builder asks only within a plain `if` that the defaults do not enter, or in a HyperModel's own `fit`, is not found.
    """
    found = keras_tuner.HyperParameters()
    told: dict[str, None] = {}
    entered: list[Sequence[Any]] = []
    waiting: list[Sequence[Any]] = []
    answers: dict[str, Any] = {}
    while True:
        hp = RangedHyperParameters(ranges)
        hp.values = dict(answers)
        space.build(hp, images)
        found.merge(hp, overwrite=False)
        told |= hp.remarks
        entered += hp.active_scopes
        waiting = [scope for scope in (*waiting, *hp.inactive_scopes) if scope not in entered]
        if not waiting:
            for sentence in told:
                _log.warning("%s", sentence)
            return tuple(hp for hp in found.space if not ranges or can_be_asked(hp, found.space))
        # It is tried once only: a scope that contradicts the one around it is never entered.
        entered.append(waiting[0])
        answers = {condition.name: condition.values[0] for condition in waiting[0]}
