"""How long an epoch of the search and of the finals takes, measured on a few images."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from tuner.datasets.images import LabelledImages
from tuner.epochs import Epoch
from tuner.jobs.preflight.rehearsal import Rehearsal
from tuner.jobs.preflight.sample import PartSizes
from tuner.studies.expected_time import MeasuredTime
from tuner.training.plan import TrainingData, TrainingPlan

#: Epochs that are measured, after one that also traces the program.
_EPOCHS = 2
#: Number of images of the first try, and the seconds that an epoch of the second one should take.
_FIRST_TRY, _ENOUGH_S = 512, 0.4
#: Seconds that an epoch of the first try may take, where the few images of the stages do not take longer, and the
#: seconds of an epoch of those from which nothing is measured.
_LONGEST_S, _TOO_LONG_S = 1.0, 10.0
#: Seconds after which a training ends with the epoch that it has.
_LONGEST_RUN_S = 20.0
#: Limit on the bytes of the images.
_MOST_BYTES = 2**27


class _MeasuredEnoughError(Exception):
    """Ends a training whose time is known."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of CPU time."""

    #: Until the first epoch, which is traced.
    before_s: float
    epoch_s: float


def measure_time(rehearsal: Rehearsal, sizes: PartSizes, *, start_s: float) -> MeasuredTime | None:
    """Measure the defaults, in seconds of CPU time: other programs of the machine do not count.

    Args:
        rehearsal: After its stages.
        sizes: How many images search and finals have.
        start_s: What the start of this process has taken.

    Returns:
        None where even the few images of the stages take long.
    """
    definition = rehearsal.definition
    if rehearsal.image_s * len(rehearsal.train_images) > _TOO_LONG_S:
        return None
    _enable_graph_optimizer()
    trial = retraining = _measure(
        rehearsal, rehearsal.time_trial, sizes.search, sizes.validation, epochs=definition.epochs_of_trial
    )
    if definition.finals.top:
        is_validated = definition.finals.train_on == "train" or rehearsal.space.fit is not None
        retraining = _measure(
            rehearsal,
            rehearsal.time_retraining,
            sizes.train if is_validated else sizes.train + sizes.validation,
            sizes.validation if is_validated else 0,
            epochs=definition.finals.epochs,
        )
    return MeasuredTime(
        start=start_s,
        trial=trial.before_s,
        epoch=trial.epoch_s,
        retraining=retraining.before_s,
        retraining_epoch=retraining.epoch_s,
    )


def _enable_graph_optimizer() -> None:
    """Let TensorFlow optimize graphs from here on, as it does for workers."""
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


#: Trains so many epochs of a plan on these images, and tells of each.
Train = Callable[[TrainingData, TrainingPlan, Callable[[Epoch], None]], None]


def _measure(rehearsal: Rehearsal, train: Train, n_train: int, n_validation: int, *, epochs: int) -> Measured:
    """Measure an epoch of so many images: on a few of them, and where these take no time, on more."""
    n_most = _MOST_BYTES // int(np.prod(rehearsal.image_format.shape))
    n_quick = max(len(rehearsal.train_images), int(_LONGEST_S / max(rehearsal.image_s, 1e-6)))
    n_images = min(n_train, n_most, _FIRST_TRY, n_quick)
    few = _measure_on(rehearsal, train, n_images, n_train, n_validation, epochs=epochs)
    n_more = min(n_train, n_most, round(n_images * _ENOUGH_S / max(few.epoch_s, 1e-3)))
    if few.epoch_s >= _ENOUGH_S / 2 or n_more <= n_images:
        return extrapolate({n_images: few.epoch_s}, n_train, before_s=few.before_s)
    more = _measure_on(rehearsal, train, n_more, n_train, n_validation, epochs=epochs)
    return extrapolate({n_images: few.epoch_s, n_more: more.epoch_s}, n_train, before_s=more.before_s)


def extrapolate(epochs_s: Mapping[int, float], n_images: int, *, before_s: float) -> Measured:
    """Return the time of an epoch of so many images by the times of one or two smaller epochs.

    Two tell what an epoch takes whatever its images, such as its checkpoint, from what each image takes: the first must
    not be multiplied with the images.
    """
    *few, (n_more, more_s) = sorted(epochs_s.items())
    per_image_s = more_s / n_more
    for n_few, few_s in few:
        per_image_s = (more_s - few_s) / (n_more - n_few) if more_s > few_s else per_image_s
    return Measured(before_s=before_s, epoch_s=more_s + per_image_s * (n_images - n_more))


def _measure_on(
    rehearsal: Rehearsal, train: Train, n_images: int, n_train: int, n_validation: int, *, epochs: int
) -> Measured:
    share = n_images / n_train
    data = TrainingData(
        train=_repeated(rehearsal.train_images, n_images),
        validation=_repeated(rehearsal.validation_images, max(1, round(n_validation * share)))
        if n_validation
        else None,
    )
    # Whether XLA compiles an epoch depends on the steps of the whole run.
    plan = rehearsal.plan_of(epochs=1 + _EPOCHS)
    plan = replace(plan, n_models=max(1, round(epochs / plan.epochs / share)))
    ends: list[float] = []
    began, began_here = time.process_time(), time.monotonic()

    def note_end(_: Epoch) -> None:
        ends.append(time.process_time())
        # A person's own `fit` may train more epochs than it is asked for.
        if len(ends) > _EPOCHS or time.monotonic() - began_here > _LONGEST_RUN_S:
            raise _MeasuredEnoughError

    with suppress(_MeasuredEnoughError):
        train(data, plan, note_end)
    epoch_s = (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else ends[0] - began
    return Measured(before_s=max(0.0, ends[0] - began - epoch_s), epoch_s=epoch_s)


def _repeated(images: LabelledImages, n_images: int) -> LabelledImages:
    return images.take(np.resize(np.arange(len(images)), n_images))
