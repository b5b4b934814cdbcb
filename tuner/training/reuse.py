"""The programs of the last few models, lent to others of equal shape: tracing takes longer than a small net's epoch.

The repeats of a final train one architecture again and again, and a search that closes in on its best does nearly so.
"""

import gc
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import keras

from tuner.datasets.images import LabelledImages
from tuner.training.augmentation import Augmentation
from tuner.training.description import describe_model
from tuner.training.epoch_draws import EpochDraws
from tuner.training.epoch_programs import EpochProgram, open_epoch_program
from tuner.training.fusing import is_faster_fused
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.variables import state_variables


@dataclass(frozen=True, kw_only=True)
class _Constants:
    """All that programs have of a model and of a plan as constants."""

    configuration: str
    augmentation: Augmentation | None
    has_learning_rates: bool
    batch_size: int
    class_weight: Mapping[int, float] | None
    fused: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class _Lender:
    """A model, and the programs compiled for it and for the images."""

    model: keras.Model
    #: The model's when the programs were compiled, which train by it.
    optimizer: Any
    program: EpochProgram
    constants: _Constants
    train: LabelledImages
    validation: LabelledImages | None


#: Models whose programs are kept, and the numbers that all of them but the newest may hold: 256 MB in float32.
_MOST_LENDERS, _MOST_NUMBERS = 8, 2**26

#: The one used last comes last.
_lenders: list[_Lender] = []


def borrow_or_open(
    model: keras.Model, data: TrainingData, plan: TrainingPlan, *, class_weight: Mapping[int, float] | None = None
) -> EpochProgram:
    """Return an earlier model's programs where they are this one's too, else new ones.

    Arguments are those of `open_epoch_program`. Only models of Keras' own parts are compared, and fused; what holds
    anything that a person wrote himself is compiled anew, step by step.
    """
    configuration = describe_model(model)
    constants = _Constants(
        configuration=configuration,
        augmentation=plan.augmentation,
        has_learning_rates=plan.annealing is not None,
        batch_size=plan.batch_size,
        class_weight=class_weight,
        fused=configuration != "" and is_faster_fused(model, data, plan),
    )
    _lenders[:] = [one for one in _lenders if _is_usable(one, data)]
    lender = next((one for one in _lenders if one.constants == constants), None)
    if lender is not None:
        _lenders.remove(lender)
        _lenders.append(lender)
        return lender.program if lender.model is model else _Borrowed(lender, model)
    # Before the next one takes memory.
    _drop_oldest()
    program = open_epoch_program(model, data, plan, class_weight=class_weight, fused=constants.fused)
    if configuration:
        _lenders.append(
            _Lender(
                model=model,
                optimizer=model.optimizer,
                program=program,
                constants=constants,
                train=data.train,
                validation=data.validation,
            )
        )
    return program


def _is_usable(lender: _Lender, data: TrainingData) -> bool:
    # The very arrays, which the programs hold; of others they would hold the memory.
    holds_images = lender.train is data.train and lender.validation is data.validation
    return holds_images and lender.model.optimizer is lender.optimizer


def _drop_oldest() -> None:
    while len(_lenders) >= _MOST_LENDERS or sum(_count_numbers(one.model) for one in _lenders) > _MOST_NUMBERS:
        del _lenders[0]


def _count_numbers(model: keras.Model) -> int:
    return sum(math.prod(variable.shape) for variable in chain(*state_variables(model)))


def forget_programs() -> None:
    """Give back the memory that earlier models, their programs and images take."""
    _lenders.clear()
    # They refer to each other.
    gc.collect()


class _Borrowed:
    """An `EpochProgram` that takes the model's state to the lender's programs and back.

    The lender comes out as it went in: whoever trained it may hold it still.
    """

    def __init__(self, lender: _Lender, model: keras.Model) -> None:
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
