"""Whole-epoch programs: one call into the backend trains an epoch, one more validates it.

A small net spends most of Keras' `fit` between steps: 784-100-100-10 at batch 32 takes 1.6 to 2.3 s an epoch of 54,000
images in `fit` on TensorFlow, 0.2 to 0.5 s as one program (2 cores). The mathematics is `Model.train_step`'s own, last
partial batch included.

The way of one epoch:

    ../whole_epochs.py    asks, epoch by epoch
    ../epoch_draws.py     draws the epoch's order and augmentation on the host
    cache.py              finds the program of the last model, which an equal one can use
      xla.py              decides whether XLA compiles the whole loop
      here                refuses models and images that Keras' own loop must train; else opens a program
    feeding.py            puts the images on the device: all of them once, or, where they are too many, a chunk of steps
                          at a time, while the next one is read
    tensorflow.py, jax.py run the epoch there, which is one call, or one for each chunk with the state carried over
    tensorflow_arrays.py  lets TensorFlow use the memory of the images without a copy
    ../augmentation/      changes the images of each batch inside the program

Knows Keras, its backends, images and how a plan draws them. Must not know checkpoints, annealing rules or callbacks.
A backend is one module that has the functions of `interface.Backend`, and one entry in `tuner.backends`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tuner.datasets.images import LabelledImages
from tuner.image_ranges import white_of
from tuner.training.augmentation import Augmenter
from tuner.training.plan import Labels, TrainingData, TrainingPlan
from tuner.training.programs.feeding import PartImages
from tuner.training.programs.interface import EpochInputs, EpochProgram, ProgramImages, find_backend
from tuner.training.targets import encode_targets

if TYPE_CHECKING:
    from tuner.training.programs.population import Population

#: Images a step while validating; results do not depend on it beyond rounding.
VALIDATION_BATCH_SIZE = 512

#: Images stay on the device when they take no more than this share of its free memory: the rest is for the model, its
#: optimizer and what a step computes. Else they are streamed, see `feeding`.
LARGEST_SHARE = 0.5

#: What a model may replace of Keras' loop; any of it needs that loop.
LOOP_METHODS = ("fit", "evaluate", "train_step", "test_step", "make_train_function", "make_test_function")


def find_refusal(model: keras.Model) -> str | None:
    """Return why Keras' own loop must train this model; None where a program can."""
    replaced = [name for name in LOOP_METHODS if _overrides(model, name)]
    if replaced:
        return f"{type(model).__name__} overrides {', '.join(replaced)}"
    if model.run_eagerly:
        return "the model is compiled with run_eagerly=True"
    if find_backend() is None:
        return f"there is no whole-epoch program for {keras.backend.backend()}"
    return None


def find_excess(data: TrainingData) -> str | None:
    """Return why images cannot stay on the device and are streamed; None where they can, or there is no program."""
    backend = find_backend()
    if backend is None:
        return None
    n_bytes, n_free = sum(map(_device_bytes, (data.train, data.validation))), backend.free_memory_bytes()
    if n_bytes <= LARGEST_SHARE * n_free:
        return None
    return (
        f"the images take {n_bytes / 2**30:.2f} GiB, more than {LARGEST_SHARE:.0%} of the {n_free / 2**30:.2f} GiB "
        "that are free on the device"
    )


def _device_bytes(images: LabelledImages | None) -> int:
    """Return the most that images and one-hot targets take."""
    n_target_bytes = np.dtype(np.float32).itemsize
    return 0 if images is None else images.images.nbytes + len(images) * len(images.class_names) * n_target_bytes


def overrides_fit(model: keras.Model) -> bool:
    """Say whether the model's class has a `fit` that a person wrote."""
    return _overrides(model, "fit")


def _overrides(model: keras.Model, name: str) -> bool:
    return getattr(type(model), name) is not getattr(keras.Model, name)


def open_program(
    model: keras.Model,
    data: TrainingData,
    plan: TrainingPlan,
    *,
    class_weight: Mapping[int, float] | None = None,
    xla_epoch: bool = False,
    with_answers: bool = False,
    streamed: bool = False,
    steps: Any = None,
) -> EpochProgram:
    """Put the data on the device and prepare a program for a model that `find_refusal` lets pass.

    Args:
        model: Built and compiled.
        data: What to train and to measure on.
        plan: How; its labels are settled.
        class_weight: As in `Model.fit`: class index to its weight in the training loss; 1 for classes that it lacks.
        xla_epoch: See `EpochInputs`.
        with_answers: See `EpochInputs`.
        streamed: See `EpochInputs`.
        steps: See `Backend`.
    """
    backend = find_backend()
    if backend is None:
        raise ValueError(f"Received a model on {keras.backend.backend()}. Expected one that `find_refusal` lets pass.")
    inputs = replace(
        _epoch_inputs(model, data, plan, class_weight, xla_epoch=xla_epoch),
        with_answers=with_answers and data.validation is not None,
        streamed=streamed,
    )
    return backend.open_program(model, inputs, steps=steps)


def open_population(
    models: Sequence[keras.Model],
    data: TrainingData,
    plan: TrainingPlan,
    *,
    pool: LabelledImages | None = None,
    xla_epoch: bool = False,
    with_answers: bool = False,
) -> "Population":
    """Put the images on the device and prepare one JAX program for several models, see `population.Population`.

    Args:
        models: Equal in all but their variables; `find_refusal` lets them pass, and their metrics are built.
        data: What to train and to measure on, or what one of them does; `find_excess` lets it pass.
        plan: How, for all but seeds; its labels are settled.
        pool: All images, where each member has its own of them; members then have as many as `data`.
        xla_epoch: See `EpochInputs`.
        with_answers: See `EpochInputs`.
    """
    # JAX need not be installed where Keras runs on TensorFlow.
    from tuner.training.programs.population import Population

    inputs = _epoch_inputs(models[0], data, plan, None, xla_epoch=xla_epoch)
    images = inputs.images if pool is None else to_pool(pool, plan.settled_labels)
    with_answers = with_answers and data.validation is not None
    return Population(models, replace(inputs, images=images, with_answers=with_answers))


def to_pool(images: LabelledImages, labels: Labels) -> ProgramImages:
    """Return images of which each member of a population trains and measures on its own."""
    return ProgramImages(train=PartImages(images=images, labels=labels), validation=None)


def _epoch_inputs(
    model: keras.Model,
    data: TrainingData,
    plan: TrainingPlan,
    class_weight: Mapping[int, float] | None,
    *,
    xla_epoch: bool,
) -> EpochInputs:
    build_metrics(model, data.train, plan.settled_labels)
    return EpochInputs(
        images=to_program_images(data, plan.settled_labels, class_weight=class_weight),
        augmenter=Augmenter(plan.augmentation, data.train.image_format.shape, white=white_of(model)),
        batch_size=min(plan.batch_size, len(data.train)),
        validation_batch_size=min(VALIDATION_BATCH_SIZE, len(data.validation or ())),
        xla_epoch=xla_epoch,
    )


def to_program_images(data: TrainingData, labels: Labels, *, class_weight: Mapping[int, float] | None) -> ProgramImages:
    """Return the images as a program takes them, see `open_program`."""
    return ProgramImages(
        train=PartImages(images=data.train, labels=labels, class_weight=class_weight),
        validation=None if data.validation is None else PartImages(images=data.validation, labels=labels),
    )


def build_metrics(model: keras.Model, images: LabelledImages, labels: Labels) -> None:
    """Create the variables of loss and metrics, which Keras does on first use.

    That is too late inside a compiled loop, and never comes for a model that trains by another one's program, whose
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
