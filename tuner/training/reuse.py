"""The programs of the last model, lent to the next one of equal shape: tracing takes longer than a small net's epoch.

A search of the learning rate alone, or the repeats of a final, trains one architecture again and again.
"""

import gc
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import keras

from tuner.datasets.images import LabelledImages
from tuner.training.augmentation import Augmentation
from tuner.training.epoch_draws import EpochDraws
from tuner.training.epoch_programs import EpochProgram, open_epoch_program
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.variables import state_variables


@dataclass(frozen=True, kw_only=True, eq=False)
class _Compiled:
    """A model, the programs compiled for it, and all that they have of it and of the plan as constants."""

    model: keras.Model
    program: EpochProgram
    configuration: str
    train: LabelledImages
    validation: LabelledImages | None
    augmentation: Augmentation | None
    has_learning_rates: bool
    batch_size: int
    class_weight: Mapping[int, float] | None


#: Types of those of an optimizer's attributes that are no state.
_SETTINGS = (str, int, float, bool, set, frozenset)

#: The last one; None before the first.
_last: _Compiled | None = None


def borrow_or_open(
    model: keras.Model, data: TrainingData, plan: TrainingPlan, *, class_weight: Mapping[int, float] | None = None
) -> EpochProgram:
    """Return the last model's programs where they are this one's too, else new ones.

    Arguments are those of `open_epoch_program`. Only models of Keras' own parts are compared; what holds anything that
    a person wrote himself is compiled anew.
    """
    global _last  # noqa: PLW0603 - one model's programs a process, as there is one training run a process
    configuration = _describe(model)
    last = _last
    if (
        last is not None
        and configuration
        and last.configuration == configuration
        # The very arrays, which the programs hold.
        and last.train is data.train
        and last.validation is data.validation
        and last.augmentation == plan.augmentation
        and last.has_learning_rates == (plan.annealing is not None)
        and last.batch_size == plan.batch_size
        and last.class_weight == class_weight
    ):
        return _Borrowed(last, model)
    # Before the next one takes memory.
    _last = last = None
    program = open_epoch_program(model, data, plan, class_weight=class_weight)
    if configuration:
        _last = _Compiled(
            model=model,
            program=program,
            configuration=configuration,
            train=data.train,
            validation=data.validation,
            augmentation=plan.augmentation,
            has_learning_rates=plan.annealing is not None,
            batch_size=plan.batch_size,
            class_weight=class_weight,
        )
    return program


def forget_programs() -> None:
    """Give back the memory that the last model, its programs and their images take."""
    global _last  # noqa: PLW0603 - as above
    _last = None
    # They refer to each other.
    gc.collect()


class _Borrowed:
    """An `EpochProgram` that takes the model's state to the lender's programs and back.

    The lender comes out as it went in: whoever trained it may hold it still.
    """

    def __init__(self, lender: _Compiled, model: keras.Model) -> None:
        self._lender, self._model = lender, model

    def train_epoch(self, draws: EpochDraws) -> dict[str, float]:
        return self._with_state(lambda program: program.train_epoch(draws))

    def validate(self) -> dict[str, float]:
        return self._with_state(lambda program: program.validate())

    def _with_state(self, run: Callable[[EpochProgram], dict[str, float]]) -> dict[str, float]:
        lender = self._lender.model
        own = _take_state(lender)
        _put_state(lender, _take_state(self._model))
        try:
            logs = run(self._lender.program)
            _put_state(self._model, _take_state(lender))
        finally:
            _put_state(lender, own)
        return logs


def _take_state(model: keras.Model) -> list[Any]:
    # Copies: in TensorFlow `convert_to_tensor` returns the variable itself.
    return [keras.ops.copy(variable) for variable in chain(*state_variables(model))]


def _put_state(model: keras.Model, state: Sequence[Any]) -> None:
    for variable, value in zip(chain(*state_variables(model)), state, strict=True):
        variable.assign(value)


def _describe(model: keras.Model) -> str:
    """Return all that a program has of a model as constants; empty when some of it cannot be known."""
    if not _is_keras_module(type(model).__module__):
        return ""
    try:
        with warnings.catch_warnings():
            # Of lambdas, which cannot be read back; nothing is read back here.
            warnings.simplefilter("ignore")
            serialized = keras.saving.serialize_keras_object(model)
    except (NotImplementedError, TypeError, ValueError):
        return ""
    compiled = model.get_compile_config() or {}
    optimizer = compiled.get("optimizer")
    if isinstance(optimizer, dict) and not isinstance(optimizer["config"].get("learning_rate"), dict):
        # A variable of the optimizer's; a schedule is part of the program.
        optimizer["config"].pop("learning_rate", None)
    described = {
        "model": {**serialized, "compile_config": None},
        "compiled": compiled,
        "shapes": [(tuple(variable.shape), variable.dtype) for part in state_variables(model) for variable in part],
        # Beyond its configuration, such as what `exclude_from_weight_decay` was told.
        "settings": {
            name: repr(value) for name, value in vars(model.optimizer).items() if isinstance(value, _SETTINGS)
        },
    }
    return json.dumps(described, default=str) if _is_of_keras(described) else ""


def _is_of_keras(described: Any) -> bool:
    if isinstance(described, dict):
        # A lambda is its byte code, without what it closes over.
        module, is_lambda = described.get("module"), isinstance(described.get("value"), list | tuple)
        is_own = is_lambda or (module is not None and not _is_keras_module(module))
        return not is_own and all(map(_is_of_keras, described.values()))
    if isinstance(described, list | tuple):
        return all(map(_is_of_keras, described))
    return described is None or isinstance(described, str | int | float | bool)


def _is_keras_module(name: str) -> bool:
    return name.partition(".")[0] == "keras"
