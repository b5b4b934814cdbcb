"""The learning-rate range test, Smith, arXiv:1506.01186: one short training whose rate rises from batch to batch.

The rate rises exponentially and training stops once the loss explodes, as in fastai's `lr_find`.
"""

import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages
from tuner.errors import TunerError
from tuner.image_ranges import white_of
from tuner.logs import stdout_as_stderr
from tuner.training.keras_loop import to_pictures
from tuner.training.plan import LabelsChoice
from tuner.training.targets import choose_labels, encode_targets
from tuner.training.variables import build_variables

#: The run stops when the mean of the last losses is this multiple of the lowest such mean, as in fastai.
_EXPLODED = 4.0
#: How many losses that mean has.
_N_LAST = 10


class RateNotSettableError(TunerError):
    """The optimizer has no learning rate that can be set before each step."""


class NoFirstLossError(TunerError):
    """The loss is not a finite number before any step was taken."""

    def __init__(self, loss: float, rate: float) -> None:
        super().__init__(
            f"The loss is {loss} at the first step, at the lowest learning rate of {rate:g}. Expected a finite number: "
            "the model or its loss does not fit these images, whatever the rate; `tuner study check` examines both."
        )


def exponential_rates(low: float, high: float, steps: int) -> NDArray[np.float64]:
    """Return that many rates from `low` to `high`, both included, each the same multiple of the one before."""
    return np.geomspace(low, high, steps)


def measure_losses(
    model: keras.Model,
    images: LabelledImages,
    rates: Sequence[float] | NDArray[np.float64],
    *,
    batch_size: int,
    seed: int,
    labels: LabelsChoice = "auto",
    on_step: Callable[[int], None] = lambda _: None,
) -> list[float]:
    """Train one batch at each rate and return its losses, each measured before its step.

    Args:
        model: Built and compiled; it is changed. A `train_step` of its own is used.
        images: To train on, in an order drawn from the seed, as often as needed; all batches are equally large.
        rates: In rising order.
        batch_size: Images of a step, at most as many as there are.
        seed: Not negative.
        labels: What the loss is given; see `targets`.
        on_step: Called with the number of steps taken.

    Returns:
        Finite numbers; fewer than rates when the loss exploded or became NaN.

    Raises:
        NoFirstLossError: The first loss is not finite.
        RateNotSettableError: The optimizer has a schedule.
        TunerError: The loss takes no labels that are known, as in `choose_labels`.
    """
    build_variables(model, images.image_format.shape)
    if not isinstance(getattr(model.optimizer, "learning_rate", None), keras.Variable):
        raise RateNotSettableError(
            "The model's optimizer has a learning-rate schedule of its own, which cannot be set step by step. "
            "Name an optimizer to test with --optimizers, such as --optimizers adam."
        )
    taken, _ = choose_labels(model, len(images.class_names), labels)
    size = min(batch_size, len(images))
    order = _draw_order(len(images), n_wanted=size * len(rates), seed=seed)
    losses: list[float] = []
    for step, rate in enumerate(rates):
        batch = images.take(order[step * size : (step + 1) * size])
        model.optimizer.learning_rate = float(rate)
        # Keras would return the mean over all batches so far.
        model.reset_metrics()
        pictures = to_pictures(batch, white=white_of(model))
        with stdout_as_stderr():
            logs = model.train_on_batch(
                pictures, encode_targets(batch.labels, len(images.class_names), taken), return_dict=True
            )
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            if not losses:
                raise NoFirstLossError(loss, float(rate))
            return losses
        losses.append(loss)
        on_step(len(losses))
        if _has_exploded(losses):
            return losses
    return losses


def _draw_order(n_images: int, *, n_wanted: int, seed: int) -> NDArray[np.intp]:
    """Return at least as many indices as wanted: permutations of all images, one after the other."""
    generator = np.random.default_rng(seed)
    n_rounds = -(-n_wanted // n_images)
    return np.concatenate([generator.permutation(n_images) for _ in range(n_rounds)])


def _has_exploded(losses: Sequence[float]) -> bool:
    if len(losses) < _N_LAST:
        return False
    means = np.convolve(losses, np.full(_N_LAST, 1 / _N_LAST), mode="valid")
    return bool(0 < _EXPLODED * means.min() < means[-1])
