"""The numbers of a training in which members of a population may differ, beside learning rate and seed.

Keras has rates of dropout, weight decay, momentum and label smoothing as constants of its objects. A population's
program takes them as arrays instead: while its step is traced, each stands in the place of the constant, and Keras'
code computes with it what it computes with the constant. The strength of augmentation is in the draws already, but for
what is smoothed or cut out.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.training.plan import TrainingPlan
from tuner.training_settings import Augmentation

#: Settings of augmentation that decide about draws alone: of those of one kind that is on, each may be any number.
DRAWN = (("rotation", "zoom", "shift", "shear"), ("brightness", "contrast"), ("mixup", "cutmix"))
#: What stands for a number when only its presence counts.
_SOME = 0.5


@dataclass(frozen=True, kw_only=True)
class FreeNumber:
    """A place in a model, its optimizer or its loss where Keras has a number."""

    read: Callable[[], float]
    put: Callable[[Any], None]


def find_free_numbers(model: keras.Model) -> list[FreeNumber]:
    """Return the places of a compiled model in an order that is that of all models of its structure."""
    layers = model._flatten_layers(include_self=False)  # noqa: SLF001 - Keras lists those of one level only
    # In another precision than float32 the constant would take that precision, and the array would not.
    dropouts = [layer for layer in layers if type(layer) is keras.layers.Dropout and layer.compute_dtype == "float32"]
    found = [_attribute(layer, "rate") for layer in dropouts if 0 < layer.rate < 1]
    optimizer = model.optimizer
    # Others have uses of their own for it.
    names = ["weight_decay", *(["momentum"] if type(optimizer) is keras.optimizers.SGD else [])]
    found += [_attribute(optimizer, name) for name in names if _is_positive(optimizer, name)]
    if type(model.loss) is keras.losses.CategoricalCrossentropy:
        found.append(_smoothing(model.loss))
    return found


def read_numbers(places: Sequence[FreeNumber]) -> NDArray[np.float32]:
    """Return each number and what it leaves of one, shape (places, 2), rounded once as a constant would be."""
    return np.array([(place.read(), 1.0 - place.read()) for place in places], np.float32).reshape(-1, 2)


@contextmanager
def numbers_put(places: Sequence[FreeNumber], numbers: Any) -> Iterator[None]:
    """Put arrays in the places of the numbers while a step is traced.

    Args:
        places: Of the model whose step it is.
        numbers: As `read_numbers` has them, of any member.
    """
    with _kept(places):
        for index, place in enumerate(places):
            place.put(_StandIn(numbers[index, 0], numbers[index, 1]))
        yield


@contextmanager
def numbers_alike(model: keras.Model) -> Iterator[None]:
    """Give a model the same numbers as every other model of its structure, to compare it with them."""
    places = find_free_numbers(model)
    with _kept(places):
        for place in places:
            place.put(_SOME)
        yield


def plan_alike(plan: TrainingPlan) -> TrainingPlan:
    """Return the plan with what members may differ in taken out: the seed, and those numbers."""
    training = plan.training
    numbers = {name: _SOME if getattr(training, name) else 0.0 for name in ("label_smoothing", "weight_decay")}
    return replace(
        plan,
        seed=0,
        augmentation=plan.augmentation and augmentation_alike(plan.augmentation),
        training=training.model_copy(update=numbers),
    )


def augmentation_alike(augmentation: Augmentation) -> Augmentation:
    """Return the settings with a sign in place of the numbers that decide about draws alone."""
    signs = {name: float(any(getattr(augmentation, one) for one in kind)) for kind in DRAWN for name in kind}
    return augmentation.model_copy(update=signs)


class _StandIn:
    """An array in the place of a number above 0 and below 1, for the questions that Keras' code asks of a number.

    Where the code asks anything else, it fails: nothing is computed with another member's number.
    """

    def __init__(self, number: Any, rest: Any) -> None:
        self._number, self._rest = number, rest

    def __jax_array__(self) -> Any:
        return self._number

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        self._refuse_other_than_bounds(other)
        return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __gt__(self, other: object) -> bool:
        self._refuse_other_than_bounds(other)
        return other == 0

    def __hash__(self) -> int:
        return id(self)

    def __rsub__(self, other: object) -> Any:
        if other != 1:
            raise TypeError(f"Received {other!r} - a free number. Expected 1.")
        return self._rest

    def __truediv__(self, other: Any) -> Any:
        return self._number / other

    @staticmethod
    def _refuse_other_than_bounds(other: object) -> None:
        if other not in {0, 1}:
            raise TypeError(f"Received a comparison of a free number with {other!r}. Expected 0 or 1.")


@contextmanager
def _kept(places: Sequence[FreeNumber]) -> Iterator[None]:
    numbers = [place.read() for place in places]
    try:
        yield
    finally:
        for place, number in zip(places, numbers, strict=True):
            place.put(number)


def _attribute(owner: Any, name: str) -> FreeNumber:
    return FreeNumber(read=lambda: getattr(owner, name), put=lambda number: setattr(owner, name, number))


def _is_positive(owner: Any, name: str) -> bool:
    number = getattr(owner, name, None)
    return isinstance(number, float) and number > 0


def _smoothing(loss: keras.losses.CategoricalCrossentropy) -> FreeNumber:
    def put(number: Any) -> None:
        loss.label_smoothing = number
        # The function's argument; the attribute is what `get_config` returns.
        loss._fn_kwargs["label_smoothing"] = number  # noqa: SLF001 - Keras has no public way to it

    return FreeNumber(read=lambda: float(loss.label_smoothing), put=put)
