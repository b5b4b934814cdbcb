"""The programs of the last model, lent to the next one of equal shape: tracing takes longer than a small net's epoch.

A search of the learning rate alone, or the repeats of a final, trains one architecture again and again. Lending those
of the last eight gained nothing measurable and took 100 MB a process, see `docs/experiments.md`.
"""

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import keras

from tuner.datasets.images import LabelledImages
from tuner.training.augmentation import Augmentation
from tuner.training.description import describe_model
from tuner.training.epoch_draws import EpochDraws
from tuner.training.epoch_programs import (
    EpochProgram,
    build_metrics,
    open_epoch_program,
    settled_labels,
    why_not_whole_epochs,
)
from tuner.training.fusing import is_faster_fused
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.targets import Labels
from tuner.training.variables import state_variables


@dataclass(frozen=True, kw_only=True)
class _Constants:
    """All that programs have of a model and of a plan as constants."""

    configuration: str
    augmentation: Augmentation | None
    has_learning_rates: bool
    batch_size: int
    class_weight: Mapping[int, float] | None
    labels: Labels
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


#: None before the first.
_last: _Lender | None = None


def borrow_or_open(
    model: keras.Model, data: TrainingData, plan: TrainingPlan, *, class_weight: Mapping[int, float] | None = None
) -> EpochProgram:
    """Return the last model's programs where they are this one's too, else new ones.

    Arguments are those of `open_epoch_program`. Only models of Keras' own parts are compared, and fused; what holds
    anything that a person wrote himself is compiled anew, step by step.
    """
    global _last  # noqa: PLW0603 - one model's programs a process, as there is one training run a process
    configuration = describe_model(model)
    constants = _Constants(
        configuration=configuration,
        augmentation=plan.augmentation,
        has_learning_rates=plan.annealing is not None,
        batch_size=plan.batch_size,
        class_weight=class_weight,
        labels=settled_labels(model, data.train, plan),
        fused=configuration != "" and is_faster_fused(model, data, plan),
    )
    last = _last
    if last is not None and configuration and last.constants == constants and _is_usable(last, data):
        if last.model is model:
            return last.program
        build_metrics(model, data.train, constants.labels)
        return _Borrowed(last, model)
    # Before the next one takes memory.
    _last = last = None
    program = open_epoch_program(model, data, plan, class_weight=class_weight, fused=constants.fused)
    if configuration:
        _last = _Lender(
            model=model,
            optimizer=model.optimizer,
            program=program,
            constants=constants,
            train=data.train,
            validation=data.validation,
        )
    return program


def _is_usable(lender: _Lender, data: TrainingData) -> bool:
    # The very arrays, which the programs hold.
    holds_images = lender.train is data.train and lender.validation is data.validation
    return holds_images and lender.model.optimizer is lender.optimizer


def forget_programs() -> None:
    """Give back the memory that the last model, its programs and their images take."""
    global _last  # noqa: PLW0603 - as above
    _last = None
    # They refer to each other.
    gc.collect()


def why_no_programs(model: keras.Model, data: TrainingData) -> str:
    """Say why this model must be trained by Keras' own loop on these images; empty when it need not be."""
    if why_not_whole_epochs(model, data):
        # It may be the memory that the last model's programs hold; and Keras' own loop has no use for them.
        forget_programs()
    return why_not_whole_epochs(model, data)


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
    return [keras.ops.copy(variable) for variable in _all_variables(model)]


def _put_state(model: keras.Model, state: Sequence[Any]) -> None:
    for variable, value in zip(_all_variables(model), state, strict=True):
        variable.assign(value)


def _all_variables(model: keras.Model) -> list[Any]:
    # Those of the metrics too, for callbacks that read them.
    return [*chain(*state_variables(model)), *model.metrics_variables]
