"""What a space asks: every hyperparameter its builder declares, found by building.

KerasTuner identifies a hyperparameter by its name and conditions: one name may be declared once for each branch of a
conditional scope, with a range of its own.
"""

from collections.abc import Sequence
from typing import Any

import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.spaces.registry import fixed_hyperparameters
from tuner.spaces.space import Space


def declare_hyperparameters(space: Space, images: ImageFormat) -> tuple[Any, ...]:
    """Return the space's `keras_tuner.engine.hyperparameters` objects, in the order in which they are found.

    Builds the model with all defaults, and once more for every conditional scope that no model entered yet. What hides
    behind a plain `if`, or in a HyperModel's own `fit`, is not found.
    """
    found = keras_tuner.HyperParameters()
    entered: list[Sequence[Any]] = []
    waiting: list[Sequence[Any]] = []
    answers: dict[str, Any] = {}
    while True:
        hp = fixed_hyperparameters(answers)
        space.build(hp, images)
        found.merge(hp, overwrite=False)
        entered += hp.active_scopes
        waiting = [scope for scope in (*waiting, *hp.inactive_scopes) if scope not in entered]
        if not waiting:
            return tuple(found.space)
        # Entered or not, it is not tried again: an inner scope may contradict an outer one.
        entered.append(waiting[0])
        answers = {condition.name: condition.values[0] for condition in waiting[0]}
