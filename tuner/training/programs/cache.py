"""The program of the last model, for the next one of equal shape: tracing takes longer than a small net's epoch.

A search of the learning rate alone, the repeats of a final, or the folds of a trial train one architecture again and
again; of folds, on images of equal shapes. Where an equal model trains by another plan or on more images, its program
is a new loop around the same steps. Keeping the programs of the last eight gained nothing measurable and took 100 MB a
process, see `docs/experiments.md`.
"""

import gc
import json
import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal, TypeVar

import keras

from tuner.datasets.images import LabelledImages
from tuner.image_ranges import white_of
from tuner.training.epoch_draws import EpochDraws
from tuner.training.initial_weights import has_frozen_weights
from tuner.training.plan import Labels, TrainingData, TrainingPlan
from tuner.training.programs import build_metrics, find_excess, find_refusal, open_program, to_program_images
from tuner.training.programs.interface import EpochProgram, Measured, ProgramImages, find_backend
from tuner.training.programs.xla import is_faster_with_xla
from tuner.training.variables import layers_with_constants, read_variable, state_variables
from tuner.training_settings import Augmentation

#: `resident`: all images stay on the device; `streamed`: a chunk at a time; `auto`: streamed where they do not fit.
#: Results are the same, on a CPU bit for bit.
ImagesOnDevice = Literal["auto", "resident", "streamed"]

_Found = TypeVar("_Found")

_log = logging.getLogger(__name__)

#: Types of those of an optimizer's attributes that are no state.
_SETTINGS = (str, int, float, bool, set, frozenset)


@dataclass(frozen=True, kw_only=True)
class ProgramConstants:
    """All that a program has of a model and of a plan as constants; what is equal here can share a program."""

    #: See `describe_model`; None for a model that no other can be compared with.
    model: str | None
    augmentation: Augmentation | None
    has_learning_rates: bool
    batch_size: int
    class_weight: Mapping[int, float] | None
    labels: Labels
    #: See `image_ranges.white_of`.
    white: float
    xla_epoch: bool
    with_answers: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class _CachedProgram:
    """A program with the model and the images that it was compiled for."""

    model: keras.Model
    #: The model's when the program was compiled, which trains by it.
    optimizer: Any
    program: EpochProgram
    constants: ProgramConstants
    train: LabelledImages
    validation: LabelledImages | None

    def serves(self, constants: ProgramConstants, data: TrainingData) -> bool:
        """Say whether a model of these constants can train by it on these images, or on others of their shapes."""
        # No program is kept of a model that is not known in full.
        has_shapes = shapes_of(self.train) == shapes_of(data.train) and shapes_of(self.validation) == shapes_of(
            data.validation
        )
        return self.constants == constants and has_shapes and self.model.optimizer is self.optimizer

    def lends_steps(self, constants: ProgramConstants, data: TrainingData) -> bool:
        """Say whether its model's steps are those of a model of these constants, in whatever loop."""
        own = self.constants
        return (
            self.program.steps is not None
            and own.model == constants.model
            and (own.labels, own.white) == (constants.labels, constants.white)
            and self.train.image_format == data.train.image_format
            and self.model.optimizer is self.optimizer
        )

    def holds(self, data: TrainingData) -> bool:
        """Say whether these images are the very ones that the program holds."""
        return self.train is data.train and self.validation is data.validation


def shapes_of(images: LabelledImages | None) -> tuple[int, ...] | None:
    """Return what a program knows of images beside their values."""
    return None if images is None else (*images.images.shape, len(images.class_names))


def read_constants(
    model: keras.Model,
    data: TrainingData,
    plan: TrainingPlan,
    class_weight: Mapping[int, float] | None = None,
    *,
    with_answers: bool,
) -> ProgramConstants:
    """Return what a program for this model, these images and this plan has as constants."""
    description = describe_model(model)
    return ProgramConstants(
        model=description,
        augmentation=plan.augmentation,
        has_learning_rates=plan.annealing is not None,
        batch_size=plan.batch_size,
        class_weight=class_weight,
        labels=plan.settled_labels,
        white=white_of(model),
        xla_epoch=description is not None and is_faster_with_xla(model, data, plan),
        with_answers=with_answers,
    )


class ProgramCache:
    """Holds one program, as a process trains one model at a time.

    Args:
        images: Whether images stay on the device or are streamed; see `ImagesOnDevice`.
    """

    def __init__(self, *, images: ImagesOnDevice = "auto") -> None:
        self.images: ImagesOnDevice = images
        self._last: _CachedProgram | None = None

    @property
    def is_empty(self) -> bool:
        return self._last is None

    def clear(self) -> None:
        """Free the memory that the last model, its program and their images take."""
        self._last = None
        # They refer to each other.
        gc.collect()

    def find_refusal(self, model: keras.Model) -> str | None:
        """Return why Keras' own loop must train this model; None where a program can."""
        refusal = find_refusal(model)
        if refusal is not None:
            # Keras' own loop has no use for it, and may need the memory.
            self.clear()
        return refusal

    def open(
        self,
        model: keras.Model,
        data: TrainingData,
        plan: TrainingPlan,
        *,
        class_weight: Mapping[int, float] | None = None,
        with_answers: bool = False,
    ) -> EpochProgram:
        """Return the last model's program where it is this one's too, else a new one, with its steps where they are.

        Arguments are those of `programs.open_program`. Models of Keras' own parts alone are compared, and compiled by
        XLA; what holds anything that a person wrote is compiled anew, step by step.
        """
        constants = read_constants(model, data, plan, class_weight, with_answers=with_answers)
        last = self._last
        if last is not None and last.serves(constants, data):
            if not last.holds(data):
                last.program.take_images(to_program_images(data, constants.labels, class_weight=class_weight))
                self._last = last = replace(last, train=data.train, validation=data.validation)
            return self._shared_with(model, data, constants)
        compiled, steps = model, None
        if last is not None and last.lends_steps(constants, data):
            compiled, steps = last.model, last.program.steps
        # Before the next one takes memory.
        self._last = last = None
        program = open_program(
            compiled,
            data,
            plan,
            class_weight=class_weight,
            xla_epoch=constants.xla_epoch,
            with_answers=with_answers,
            streamed=self._streams(data),
            steps=steps,
        )
        if constants.model is None:
            return program
        self._last = _CachedProgram(
            model=compiled,
            optimizer=compiled.optimizer,
            program=program,
            constants=constants,
            train=data.train,
            validation=data.validation,
        )
        return self._shared_with(model, data, constants)

    def _shared_with(self, model: keras.Model, data: TrainingData, constants: ProgramConstants) -> EpochProgram:
        """Return the last program for a model of the same constants."""
        last = self._last
        assert last is not None  # noqa: S101 - for mypy
        if last.model is model:
            return last.program
        build_metrics(model, data.train, constants.labels)
        return _SharedProgram(last, model)

    def _streams(self, data: TrainingData) -> bool:
        if self.images != "auto":
            return self.images == "streamed"
        if find_excess(data) is None:
            return False
        # It may be the memory of the last program, whose parts refer to each other.
        gc.collect()
        excess = find_excess(data)
        if excess is not None:
            _log.info("The images are streamed to the device: %s.", excess)
        return excess is not None


class _SharedProgram:
    """An `EpochProgram` of another model: takes the model's state to that one for an epoch, and back.

    The other model comes out as it went in, because the code that trained it may still hold it.
    """

    def __init__(self, cached: _CachedProgram, model: keras.Model) -> None:
        self._cached, self._model = cached, model
        self.steps = cached.program.steps

    def train_epoch(self, draws: EpochDraws) -> dict[str, float]:
        return self._with_state(lambda program: program.train_epoch(draws))

    def validate(self) -> Measured:
        return self._with_state(lambda program: program.validate())

    def take_images(self, images: ProgramImages) -> None:
        self._cached.program.take_images(images)

    def _with_state(self, run: Callable[[EpochProgram], _Found]) -> _Found:
        backend = find_backend()
        assert backend is not None  # noqa: S101 - there is a program
        compiled, own = _all_variables(self._cached.model), _all_variables(self._model)
        before = backend.read_values(compiled)
        backend.write_values(compiled, backend.read_values(own))
        try:
            found = run(self._cached.program)
            backend.write_values(own, backend.read_values(compiled))
        finally:
            backend.write_values(compiled, before)
        return found


def _all_variables(model: keras.Model) -> list[Any]:
    # Those of the metrics too, for callbacks that read them.
    return [*chain(*state_variables(model)), *model.metrics_variables]


def describe_model(model: keras.Model) -> str | None:
    """Return all that a program has of a model as constants.

    Returns:
        JSON; None when not all of it is known, as where a layer, a loss or a function is not Keras' own.
    """
    # A weight that is held for some steps has a value in the program that no other model shares.
    if not _is_keras_module(type(model).__module__) or has_frozen_weights(model):
        return None
    try:
        with warnings.catch_warnings():
            # Of lambdas, which cannot be read back; nothing is read back here.
            warnings.simplefilter("ignore")
            serialized = keras.saving.serialize_keras_object(model)
    except (NotImplementedError, TypeError, ValueError):
        return None
    compiled = model.get_compile_config() or {}
    optimizer = compiled.get("optimizer")
    if isinstance(optimizer, dict) and not isinstance(optimizer["config"].get("learning_rate"), dict):
        # A variable of the optimizer's; a schedule is part of the program.
        optimizer["config"].pop("learning_rate", None)
    described = {
        "model": {**serialized, "compile_config": None},
        "compiled": compiled,
        "shapes": [(tuple(variable.shape), variable.dtype) for part in state_variables(model) for variable in part],
        "constants": [
            [read_variable(weight).tolist() for weight in layer.weights] for layer in layers_with_constants(model)
        ],
        # Beyond its configuration, such as what `exclude_from_weight_decay` was told.
        "settings": {
            name: repr(value) for name, value in vars(model.optimizer).items() if isinstance(value, _SETTINGS)
        },
    }
    return json.dumps(described, default=str) if _is_of_keras(described) else None


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
