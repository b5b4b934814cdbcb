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
from tuner.training.session import PROGRAMS

#: Most epochs that are measured, after one that also traces the program; and the seconds after which they are enough.
_MOST_EPOCHS, _MEASURED_S = 8, 0.3
#: Seconds that a measured epoch should take, and number of images that it has at least, unless they take too long.
_ENOUGH_S, _FEWEST, _LONGEST_S = 0.4, 256, 1.0
#: A training step takes about this many times as long for an image as a prediction; number of predictions that are
#: timed, and the seconds of training on as many images from which none are.
_OF_ANSWER, _N_ANSWERS, _ANSWERS_S = 4, 256, 2.0
#: Seconds of an epoch of the stages' few images from which nothing is measured.
_TOO_LONG_S = 10.0
#: Seconds of CPU time after which a training ends with the epochs that it has.
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
    if rehearsal.few_epoch_s > _TOO_LONG_S:
        return None
    _enable_graph_optimizer()
    # A worker traces the steps of its first model; those of the stages were traced in another way.
    PROGRAMS.clear()
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
        # It may have used the steps of the trial, which a retraining traces where it comes first.
        retraining = replace(retraining, before_s=max(trial.before_s, retraining.before_s))
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
    """Measure an epoch of so many images, on as many of them as take a fraction of a second.

    An epoch of the stages' few images tells what an epoch takes whatever its images.
    """
    n_most = min(n_train, _MOST_BYTES // int(np.prod(rehearsal.image_format.shape)))
    n_few, few_s = len(rehearsal.train_images), rehearsal.few_epoch_s
    n_images = min(n_most, max(n_few, _count_measured(rehearsal)))
    one = _measure_on(rehearsal, train, n_images, n_train, n_validation, epochs=epochs)
    few = {n_few: few_s} if n_few < n_images else {}
    return extrapolate({**few, n_images: one.epoch_s}, n_train, before_s=one.before_s)


def _count_measured(rehearsal: Rehearsal) -> int:
    """Return of how many images an epoch takes about `_ENOUGH_S`."""
    # An epoch of a few images is mostly something else: this is the most that one of them takes.
    image_s = max(rehearsal.few_epoch_s / len(rehearsal.train_images), 1e-6)
    n_least = min(_FEWEST, round(_LONGEST_S / image_s))
    if image_s * _N_ANSWERS < _ANSWERS_S:
        answer_s = rehearsal.time_answer(_N_ANSWERS)
        image_s = min(image_s, max(_OF_ANSWER * answer_s, 1e-6)) if answer_s is not None else image_s
    return max(n_least, round(_ENOUGH_S / image_s))


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
    plan = rehearsal.plan_of(epochs=max(2, min(epochs, 1 + _MOST_EPOCHS)))
    plan = replace(plan, n_models=max(1, round(epochs / plan.epochs / share)))
    ends: list[float] = []
    began = time.process_time()

    def note_end(_: Epoch) -> None:
        ends.append(time.process_time())
        is_enough = len(ends) > 1 and ends[-1] - ends[0] > _MEASURED_S
        # A person's own `fit` may train more epochs than it is asked for.
        if is_enough or len(ends) > _MOST_EPOCHS or ends[-1] - began > _LONGEST_RUN_S:
            raise _MeasuredEnoughError

    with suppress(_MeasuredEnoughError):
        train(data, plan, note_end)
    epoch_s = (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else ends[0] - began
    return Measured(before_s=max(0.0, ends[0] - began - epoch_s), epoch_s=epoch_s)


def _repeated(images: LabelledImages, n_images: int) -> LabelledImages:
    return images.take(np.resize(np.arange(len(images)), n_images))
