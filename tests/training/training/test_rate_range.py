import math

import keras
import numpy as np
import pytest
from small_models import build_cnn, build_mlp

from tuner.training.plan import TrainingData
from tuner.training.rate_range import NoFirstLossError, RateNotSettableError, exponential_rates, measure_losses
from tuner.training.variables import current_learning_rate

RATES = exponential_rates(1e-3, 1e4, 100)


def test_the_loss_falls_at_some_rates_and_the_run_ends_when_it_explodes(digits: TrainingData) -> None:
    model = build_mlp(optimizer=keras.optimizers.SGD())

    losses = measure_losses(model, digits.train, RATES, batch_size=64, seed=0)

    assert min(losses) < 0.8 * losses[0]
    assert len(losses) < len(RATES)
    assert all(map(math.isfinite, losses))


def test_each_rate_is_set_before_its_step_and_no_loss_is_a_mean_of_earlier_ones(digits: TrainingData) -> None:
    seen: list[float] = []

    class Watched(keras.Model):  # type: ignore[misc] # Keras ships no types
        def train_on_batch(self, *args: object, **kwargs: object) -> object:
            seen.append(current_learning_rate(self) or 0.0)
            return super().train_on_batch(*args, **kwargs)

    model = build_cnn(cls=Watched, loss="categorical_crossentropy")
    # All images in each batch: only the tiny rates lie between the losses.
    losses = measure_losses(model, digits.train, np.array([1e-9, 2e-9, 4e-9]), batch_size=10_000, seed=0)

    assert seen == pytest.approx([1e-9, 2e-9, 4e-9])
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)


def test_a_first_loss_that_is_no_number_is_told_in_one_line(digits: TrainingData) -> None:
    model = build_mlp(loss=lambda _labels, answers: keras.ops.log(0 * answers[:, 0] - 1))

    with pytest.raises(
        NoFirstLossError, match=r"The loss is nan at the first step, at the lowest learning rate of 0\.001"
    ):
        measure_losses(model, digits.train, RATES, batch_size=64, seed=0, labels="one-hot")


def test_a_schedule_is_refused(digits: TrainingData) -> None:
    model = build_mlp(optimizer=keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)))

    with pytest.raises(RateNotSettableError, match="--optimizers adam"):
        measure_losses(model, digits.train, RATES, batch_size=64, seed=0)
