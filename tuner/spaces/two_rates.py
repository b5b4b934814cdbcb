"""An optimizer of Keras that takes smaller steps for some weights: the body of a pretrained net beside its new head.

Keras' `MultiOptimizer` has no learning rate that annealing or a callback could set. Scaled gradients would do for SGD,
and change nothing for Adam, which divides by their size. Here the rate of each step is multiplied, where the optimizer
itself is handed it, so that annealing, the range test and whole-epoch programs need to know nothing of it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import keras


class TwoRates:
    """What `slow_down` adds to a class of `keras.optimizers`."""

    #: Of the slower weights.
    slower_paths: frozenset[str] = frozenset()
    slower_rate: float = 1.0

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take a step, a smaller one for a slower weight."""
        # Of a weight or, on TensorFlow, of the variable inside it.
        own = self._trainable_variables[self._get_variable_index(variable)]  # type: ignore[attr-defined]
        if own.path in self.slower_paths:
            learning_rate = learning_rate * self.slower_rate
        super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]


def slow_down(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[Any], *, rate: float
) -> keras.optimizers.Optimizer:
    """Return an optimizer with the same settings whose steps for these weights are `rate` times as long.

    Weight decay leaves these weights alone too: it would pull them away from what they have learned.

    Args:
        optimizer: One of `keras.optimizers`, which has no variables yet.
        variables: The slower ones of the weights that it will train.
        rate: More than 0, and at most 1.
    """
    kind: Any = type(optimizer)
    slower = _with_two_rates(kind).from_config(optimizer.get_config())
    slower.slower_paths, slower.slower_rate = frozenset(variable.path for variable in variables), rate
    slower.exclude_from_weight_decay(var_list=list(variables), var_names=["bias", "gamma", "beta"])
    return slower


@cache
def _with_two_rates(kind: type) -> Any:
    return type(f"TwoRates{kind.__name__}", (TwoRates, kind), {"__module__": __name__})
