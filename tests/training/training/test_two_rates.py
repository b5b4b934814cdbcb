"""Optimizers with a smaller rate for some weights, in whole-epoch programs."""

import keras
import numpy as np
from small_models import build_mlp, random_images

from tuner.spaces.two_rates import slow_down
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.train import train
from tuner.training.variables import read_variable
from tuner.training_settings import Annealing


def test_a_whole_epoch_and_its_annealing_honour_both_rates() -> None:
    data = TrainingData(train=random_images(32), validation=random_images(20, seed=1))
    plan = TrainingPlan(epochs=1, batch_size=32, seed=3, annealing=Annealing(rule="cosine", warmup_epochs=0))

    def moves(rate: float) -> list[float]:
        keras.utils.set_random_seed(1)
        model = build_mlp()
        optimizer = slow_down(keras.optimizers.SGD(0.5), model.layers[1].trainable_variables, rate=rate)
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        before = [read_variable(weight) for weight in model.trainable_variables]
        epochs: list[float | None] = []
        train(model, data, plan, on_epoch=lambda epoch: epochs.append(epoch.learning_rate))
        assert epochs == [0.5]
        after = [read_variable(weight) for weight in model.trainable_variables]
        return [float(np.abs(new - old).sum()) for new, old in zip(after, before, strict=True)]

    slow, fast = moves(0.1), moves(1.0)

    np.testing.assert_allclose(slow, np.array(fast) * [0.1, 0.1, 1, 1], rtol=1e-4)
