"""One call into the backend trains an epoch, one more validates it.

A small net spends most of Keras' `fit` between steps: 784-100-100-10 at batch 32 takes 1.6 to 2.3 s an epoch of 54,000
images in `fit` on TensorFlow, 0.2 to 0.5 s as one program (2 cores). The mathematics is `Model.train_step`'s own, last
partial batch included.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages
from tuner.training.batches import Augmenter
from tuner.training.devices import free_memory_bytes
from tuner.training.epoch_draws import EpochDraws
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.targets import Labels, choose_labels, encode_targets

#: Images a step while validating; results do not depend on it beyond rounding.
VALIDATION_BATCH_SIZE = 512

#: Images stay on the device when they take no more than this share of its free memory: the rest is for the model, its
#: optimizer and what a step computes. Else Keras' own loop streams them, batch by batch.
LARGEST_SHARE = 0.5

#: What a model may replace of Keras' loop; any of it needs that loop.
LOOP_METHODS = ("fit", "evaluate", "train_step", "test_step", "make_train_function", "make_test_function")


@dataclass(frozen=True, kw_only=True)
class EpochInputs:
    """What a backend makes its program of, beside the model."""

    #: Images uint8, shape (n, height, width, channels), then targets and, if there are any, weights; first axis n.
    train: tuple[NDArray[Any], ...]
    #: Images and targets.
    validation: tuple[NDArray[np.uint8], NDArray[Any]] | None
    augmenter: Augmenter
    #: No more than there are images.
    batch_size: int
    validation_batch_size: int
    #: On a CPU, let XLA compile the loop over an epoch's batches as one, see `fusing`.
    fused: bool


class EpochProgram(Protocol):
    """A model and its data on the device."""

    def train_epoch(self, draws: EpochDraws) -> dict[str, float]:
        """Train one epoch; return Keras' logs, such as `loss` and `accuracy`."""

    def validate(self) -> dict[str, float]:
        """Measure the validation set; return Keras' logs without `val_`, nothing without a validation set."""


def why_not_whole_epochs(model: keras.Model, data: TrainingData) -> str:
    """Say why this model must be trained by Keras' own loop on these images; empty when it need not be."""
    replaced = [name for name in LOOP_METHODS if _overrides(model, name)]
    if replaced:
        return f"{type(model).__name__} overrides {', '.join(replaced)}"
    if model.run_eagerly:
        return "the model is compiled with run_eagerly=True"
    if keras.backend.backend() not in ("tensorflow", "jax"):
        return f"there is no whole-epoch program for {keras.backend.backend()}"
    n_bytes, n_free = sum(map(_device_bytes, (data.train, data.validation))), free_memory_bytes()
    if n_bytes > LARGEST_SHARE * n_free:
        return (
            f"the images take {n_bytes / 2**30:.2f} GiB, more than {LARGEST_SHARE:.0%} of the {n_free / 2**30:.2f} GiB "
            "that are free on the device, and are streamed"
        )
    return ""


def _device_bytes(images: LabelledImages | None) -> int:
    """Return the most that images and one-hot targets take."""
    n_target_bytes = np.dtype(np.float32).itemsize
    return 0 if images is None else images.images.nbytes + len(images) * len(images.class_names) * n_target_bytes


def overrides_fit(model: keras.Model) -> bool:
    """Say whether the model's class has a `fit` that a person wrote."""
    return _overrides(model, "fit")


def _overrides(model: keras.Model, name: str) -> bool:
    return getattr(type(model), name) is not getattr(keras.Model, name)


def open_epoch_program(
    model: keras.Model,
    data: TrainingData,
    plan: TrainingPlan,
    *,
    class_weight: Mapping[int, float] | None = None,
    fused: bool = False,
) -> EpochProgram:
    """Put the data on the device and prepare the programs; they are compiled on their first call.

    Args:
        model: Built and compiled.
        data: What to train and to measure on.
        plan: How.
        class_weight: As in `Model.fit`: class index to its weight in the training loss; 1 for classes that it lacks.
        fused: See `EpochInputs`.
    """
    labels = settled_labels(model, data.train, plan)
    build_metrics(model, data.train, labels)
    program: Callable[[keras.Model, EpochInputs], EpochProgram]
    if keras.backend.backend() == "tensorflow":
        from tuner.training.tensorflow_epochs import TensorFlowEpochs

        program = TensorFlowEpochs
    else:
        from tuner.training.jax_epochs import JaxEpochs

        program = JaxEpochs
    inputs = EpochInputs(
        train=(*_arrays(data.train, labels), *_sample_weights(data.train, class_weight)),
        validation=None if data.validation is None else _arrays(data.validation, labels),
        augmenter=Augmenter(plan.augmentation, data.train.image_format.shape),
        batch_size=min(plan.batch_size, len(data.train)),
        validation_batch_size=min(VALIDATION_BATCH_SIZE, len(data.validation or ())),
        fused=fused,
    )
    return program(model, inputs)


def settled_labels(model: keras.Model, images: LabelledImages, plan: TrainingPlan) -> Labels:
    """Return the labels that the model is given."""
    return choose_labels(model, len(images.class_names), plan.labels)[0]


def _arrays(images: LabelledImages, labels: Labels) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    return images.images, encode_targets(images.labels, len(images.class_names), labels)


def _sample_weights(images: LabelledImages, class_weight: Mapping[int, float] | None) -> list[NDArray[np.float32]]:
    """Return each image's weight, float32, shape (n,), where there are class weights."""
    if not class_weight:
        return []
    classes = range(len(images.class_names))
    return [np.array([class_weight.get(index, 1.0) for index in classes], np.float32)[images.labels]]


def build_metrics(model: keras.Model, images: LabelledImages, labels: Labels) -> None:
    """Create the variables of loss and metrics, which Keras does on first use.

    That is too late inside a compiled loop, and never comes for a model that trains by another one's programs, whose
    callbacks look at its metrics.
    """
    # Two, as some functions for batches cannot take one.
    labels_of_two = np.resize(images.labels, 2)
    shape = (2, *images.image_format.shape)
    x, y_pred = keras.ops.zeros(shape), keras.ops.zeros(model.compute_output_spec(keras.KerasTensor(shape)).shape)
    y = keras.ops.convert_to_tensor(encode_targets(labels_of_two, len(images.class_names), labels))
    model.compute_loss(x=x, y=y, y_pred=y_pred, training=False)
    model.compute_metrics(x, y, y_pred)
    model.reset_metrics()
