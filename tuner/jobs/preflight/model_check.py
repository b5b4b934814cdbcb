"""Examine a newly built model before it is trained: does it measure accuracy, and what kind of outputs has it?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError, did_you_mean, shorten
from tuner.image_ranges import white_of
from tuner.jobs.preflight.layer_doubts import doubt_about_double_softmax, doubt_about_embedding
from tuner.logs import stdout_as_stderr
from tuner.objectives import DEFAULT_OBJECTIVE, OBJECTIVES, Objective
from tuner.spaces.double_scaling import find_double_scaling
from tuner.spaces.model_shapes import input_specs
from tuner.spaces.space import Space
from tuner.training.accuracy import (
    accuracy_names,
    decides_what_is_measured,
    lacks_accuracy,
    metric_names,
    why_nothing_is_measured,
)
from tuner.training.batches import scale
from tuner.training.layer_outputs import values_before_weights
from tuner.training.losses import doubt_about_loss
from tuner.training.plan import LabelsChoice
from tuner.training.predictions import OutputKind, noise_images, output_kind
from tuner.training.targets import choose_labels

#: The largest number of images that are shown to the model.
_N_LOOKED_AT = 32
#: Most characters of what Keras says.
_MAX_REASON = 200


class NoAccuracyMetricError(TunerError):
    """The model is compiled without a metric that could score a trial."""

    def __init__(self, space: str, measured: tuple[str, ...], *, failure: str | None = None) -> None:
        found = ", ".join(measured) or "nothing"
        if failure is not None and not measured:
            found += f", as Keras cannot compute its metrics ({shorten(failure, width=_MAX_REASON)})"
        super().__init__(
            f"Space {space!r} compiles its model without a metric that measures accuracy, the share of correct "
            f"answers, which is a trial's score: it measures {found}. Compile it with "
            "model.compile(…, metrics=['accuracy']), beside any others."
        )


class NoSuchMetricError(TunerError):
    """The model is compiled without a metric that is an objective."""

    def __init__(self, space: str, name: str, measured: tuple[str, ...]) -> None:
        known = (*OBJECTIVES, *(metric for metric in measured if metric not in OBJECTIVES))
        super().__init__(
            f"The objective is {name!r}, and space {space!r} compiles its model without such a metric: it measures "
            f"{', '.join(measured) or 'nothing'}.{did_you_mean(name, known)} Expected one of these, one of "
            f"{', '.join(OBJECTIVES)}, or package.module:function."
        )


class WholeNumberInputError(TunerError):
    """The model's input is of whole numbers, to which images from 0 to 1 would be cut."""

    def __init__(self, space: str, dtype: str) -> None:
        super().__init__(
            f"Space {space!r} builds a model whose input has the type {dtype}: images arrive as float32 in [0, 1] and "
            "would be cut to 0 and 1. Expected keras.Input(images.shape), whose type is float32, or "
            'data.images = "uint8-range" for images from 0 to 255.'
        )


class MetricDirectionError(TunerError):
    """Less of the metric that is an objective is better, and the study says otherwise."""

    def __init__(self, objective: Objective) -> None:
        expected = "it in search.directions as" if objective.is_beside else "search.direction ="
        super().__init__(
            f'The objective is {objective.name!r}, of which less is better. Expected {expected} "minimize".'
        )


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """Facts about a built model."""

    #: Number of weights, trainable or not.
    n_weights: int
    #: The kind of its outputs, see `training.predictions`.
    output_kind: OutputKind
    #: Name of the accuracy in Keras' logs.
    accuracy_name: str
    #: For people, one line each.
    warnings: tuple[str, ...]


def check_model(
    space: Space,
    model: keras.Model,
    images: ImageFormat,
    *,
    examples: NDArray[np.uint8] | None = None,
    labels: LabelsChoice = "auto",
    objectives: Sequence[Objective] = (OBJECTIVES[DEFAULT_OBJECTIVE],),
) -> ModelFacts:
    """Examine a model that the space built; its weights do not change.

    The shapes of input and output were checked when it was built, see `spaces.model_shapes`.

    Args:
        space: The space that built the model.
        model: A compiled model with weights.
        images: The format of its images.
        examples: Some of the dataset's training images, uint8, shape (n, height, width, channels); None: noise.
        labels: The kind of labels that the study sets.
        objectives: The study's.

    Raises:
        WholeNumberInputError: The model's input is of whole numbers, and its images go from 0 to 1.
        MetricLabelsError: A metric does not take the labels that the loss takes.
        ColumnLabelsError: The loss takes class indices only as a column.
        NoAccuracyMetricError: No metric measures accuracy, an objective of the study, and the space has no own `fit`
            that could.
        NoSuchMetricError: The same of a metric that is an objective.
        MetricDirectionError: Less of that metric is better, and the study maximizes it.
    """
    _refuse_whole_numbers(space, model)
    taken, guess = choose_labels(model, images.n_classes, labels)
    needs_accuracy = any(objective.is_accuracy for objective in objectives)
    if space.fit is None and needs_accuracy and lacks_accuracy(model, images.n_classes, taken):
        raise NoAccuracyMetricError(
            space.name,
            metric_names(model, images.n_classes, taken),
            failure=why_nothing_is_measured(model, images.n_classes, taken),
        )
    for objective in objectives:
        if objective.is_metric:
            _check_metric(space, model, objective, metric_names(model, images.n_classes, taken))
    looked_at = noise_images(images.shape) if examples is None else examples[:_N_LOOKED_AT]
    answers = _answers(model, looked_at)
    kind = output_kind(model, np.asarray(keras.ops.convert_to_numpy(answers), np.float32))
    # Keras notes on TensorFlow what a softmax or a sigmoid was computed from.
    sigmoids_of_logits = kind == "sigmoids" and hasattr(answers, "_keras_logits")
    doubts = (
        guess,
        doubt_about_loss(model, kind, sigmoids_of_logits=sigmoids_of_logits),
        doubt_about_double_softmax(model),
        doubt_about_embedding(model, looked_at),
    )
    return ModelFacts(
        n_weights=model.count_params(),
        output_kind=kind,
        accuracy_name=accuracy_names(model, images.n_classes, taken)[0],
        warnings=tuple(doubt for doubt in doubts if doubt) + model_warnings(model, looked_at),
    )


def _refuse_whole_numbers(space: Space, model: keras.Model) -> None:
    for declared in input_specs(model):
        dtype = keras.backend.standardize_dtype(declared.dtype)
        if white_of(model) <= 1 and not keras.backend.is_float_dtype(dtype):
            raise WholeNumberInputError(space.name, dtype)


def _check_metric(space: Space, model: keras.Model, objective: Objective, measured: tuple[str, ...]) -> None:
    if objective.name not in measured:
        if space.fit is None and not decides_what_is_measured(model):
            raise NoSuchMetricError(space.name, objective.name, measured)
        return
    # Keras holds the compiled ones in one that has them as its `metrics`.
    compiled = [each for metric in model.metrics for each in getattr(metric, "metrics", [metric])]
    directions = {getattr(metric, "_direction", None) for metric in compiled if metric.name == objective.name}
    if "down" in directions and objective.direction == "maximize":
        raise MetricDirectionError(objective)


def _answers(model: keras.Model, examples: NDArray[np.uint8]) -> Any:
    """Return the backend's tensor of the outputs."""
    # Called directly: tracing a prediction takes longer than computing a few images.
    with stdout_as_stderr():
        return model(scale(examples, white_of(model)))


def _described(station: str) -> str:
    name = station.removeprefix("before ")
    return f"The model's layer {name!r}" if name == station else f"What the model computes before its layer {name!r}"


def model_warnings(model: keras.Model, examples: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return warnings about a model that works, one line each.

    Args:
        model: A model with weights.
        examples: uint8, shape (n, height, width, channels).
    """
    if not model.trainable_variables:
        return ("The model has no weight that is trained, as after `model.trainable = False`: it learns nothing.",)
    white = white_of(model)
    pictures = keras.ops.convert_to_numpy(scale(examples, white))
    found = find_double_scaling(model, pictures, of_subclass=lambda: values_before_weights(model, examples))
    if found is None:
        return ()
    warning = (
        f"{_described(found.layer)} turns images, which arrive in [0, {white:g}], into values from "
        f"{found.low:.3g} to {found.high:.3g}: they are scaled twice, and a model learns little from such small "
        "differences. Remove this scaling (such as Rescaling(1/255) or a preprocess_input) from the builder, or set "
        'data.images = "uint8-range" to have images from 0 to 255.'
    )
    return (warning,)
