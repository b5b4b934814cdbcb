"""What a call of `model.fit` inside a HyperModel's own `fit` asks for, and whether a whole-epoch program can do it.

KerasTuner's documented way to tune batch size, class weights and the like is a `fit` that passes its arguments on:
`model.fit(*args, batch_size=hp.Choice(...), **kwargs)`. While such a `fit` runs, `model.fit` is replaced: a call with
the arrays that the `fit` was given trains by a whole-epoch program, and any other call is Keras' own.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages

#: Keras' own default.
DEFAULT_BATCH_SIZE = 32

#: Hooks that are called between the steps of an epoch, where a program cannot stop.
BATCH_HOOKS = tuple(f"on_{kind}batch_{moment}" for kind in ("", "train_", "test_") for moment in ("begin", "end"))

#: Callbacks that write or exchange weights: a resumed run could not call them for the epochs that it skips.
WEIGHT_CALLBACKS = (
    keras.callbacks.BackupAndRestore,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.SwapEMAWeights,
)

#: Callbacks that set the learning rate.
RATE_CALLBACKS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)

#: Arguments of `Model.fit` that must have their default, beside those that `FitCall` holds.
_LEFT_ALONE = ("validation_split", "sample_weight", "steps_per_epoch", "validation_steps", "validation_freq")


#: The arguments of a call of `Model.fit` by their names.
CallArguments = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class FitArguments:
    """What a HyperModel's `fit` is given."""

    #: float32, shape (n, height, width, channels), in [0, 1].
    x: NDArray[np.float32]
    y: NDArray[Any]
    validation_data: tuple[NDArray[np.float32], NDArray[Any]] | None
    #: Tells the run when an epoch begins and ends.
    reporter: keras.callbacks.Callback
    #: The model's, with the state that a resumed run has restored.
    optimizer: Any
    #: Epochs that a checkpoint held.
    initial_epoch: int


@dataclass(frozen=True, kw_only=True, eq=False)
class FitCall:
    """The arguments of `Model.fit` that an epoch program honours."""

    batch_size: int
    epochs: int
    shuffle: bool = True
    #: Class index to its weight in the training loss; 1 for classes that it lacks.
    class_weight: Mapping[int, float] | None = None
    #: Without the run's reporter.
    callbacks: tuple[keras.callbacks.Callback, ...] = ()
    verbose: Any = 0


def find_call_refusal(arguments: CallArguments, given: FitArguments) -> str | None:
    """Return why a program cannot do this call of `model.fit`; None when it can.

    Args:
        arguments: All parameters of `Model.fit` with their values, defaults included.
        given: What the `fit` that calls it was given.
    """
    defaults = inspect.signature(keras.Model.fit).parameters
    changed = [name for name in _LEFT_ALONE if not _is_same(arguments[name], defaults[name].default)]
    callbacks = flatten_callbacks(arguments["callbacks"])
    hooked = [type(callback).__name__ for callback in callbacks if _wants_batches(callback)]
    reasons = {
        "it passes other training data than it was given": arguments["x"] is not given.x
        or arguments["y"] is not given.y,
        "it passes other validation data than it was given": not same_pair(
            arguments["validation_data"], given.validation_data
        ),
        f"it passes {', '.join(changed)}": changed,
        "it begins at another epoch": arguments["initial_epoch"] not in (0, given.initial_epoch),
        "it drops the callbacks that it was given": given.reporter not in callbacks,
        f"{', '.join(hooked)} works between steps or with weights": hooked,
        "it compiles the model anew": arguments["self"].optimizer is not given.optimizer,
        "its class weights are no mapping": not isinstance(arguments["class_weight"], Mapping | None),
        "it shuffles in a way of its own": not isinstance(arguments["shuffle"], bool),
        "its batch size or number of epochs is no whole number above 0": not (
            read_batch_size(arguments) and _is_positive(arguments["epochs"])
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def read_fit_call(arguments: CallArguments, given: FitArguments) -> FitCall:
    """Return what a call that `find_call_refusal` does not refuse asks for."""
    return FitCall(
        batch_size=read_batch_size(arguments) or DEFAULT_BATCH_SIZE,
        epochs=int(arguments["epochs"]),
        shuffle=arguments["shuffle"],
        class_weight=arguments["class_weight"],
        callbacks=tuple(
            callback for callback in flatten_callbacks(arguments["callbacks"]) if callback is not given.reporter
        ),
        verbose=arguments["verbose"],
    )


@contextmanager
def replaced_fit(model: keras.Model, fit: Callable[..., Any]) -> Iterator[None]:
    """In the block, let `model.fit` call `fit` with all parameters of `Model.fit` as one mapping, `self` included."""
    signature = inspect.signature(keras.Model.fit)

    def call(*arguments: Any, **keywords: Any) -> Any:
        bound = signature.bind(model, *arguments, **keywords)
        bound.apply_defaults()
        return fit(bound.arguments)

    model.fit = call
    try:
        yield
    finally:
        del model.fit


def _wants_batches(callback: keras.callbacks.Callback) -> bool:
    untouched = keras.callbacks.Callback
    return isinstance(callback, WEIGHT_CALLBACKS) or any(
        getattr(getattr(callback, name), "__func__", None) is not getattr(untouched, name) for name in BATCH_HOOKS
    )


def read_batch_size(arguments: CallArguments) -> int | None:
    """Return a call's batch size, Keras' default where it has none; None where it is not a whole number above 0."""
    asked = arguments["batch_size"] or DEFAULT_BATCH_SIZE
    return int(asked) if _is_positive(asked) else None


def flatten_callbacks(callbacks: Any) -> list[Any]:
    """Return the callbacks of a call of `model.fit` as one list."""
    return list(keras.tree.flatten(callbacks)) if callbacks else []


def same_pair(passed: Any, given: tuple[Any, Any] | None) -> bool:
    """Say whether a call passes on the validation data that it was given."""
    if passed is None or given is None:
        return passed is given
    return isinstance(passed, tuple | list) and len(passed) == len(given) and all(map(_is_same, passed, given))


def validates_on_its_own(passed: Mapping[str, Any], validation: LabelledImages | None) -> bool:
    """Say whether a call of `model.fit` measures on other images than the study's, as far as their number shows it."""
    measured = passed["validation_data"]
    if measured is None:
        return bool(passed["validation_split"])
    is_pair = isinstance(measured, tuple | list) and len(measured) > 1 and hasattr(measured[1], "__len__")
    return is_pair and validation is not None and len(measured[1]) != len(validation)


def _is_same(passed: Any, expected: Any) -> bool:
    # Arrays are compared by identity: equal ones may still be changed by the code that holds them.
    return passed is expected or (isinstance(passed, int | float) and passed == expected)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value > 0)
