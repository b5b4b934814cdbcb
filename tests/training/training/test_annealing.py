import logging
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import ValidationError
from small_models import build_mlp

from tuner.epochs import Epoch
from tuner.training.annealing import AnnealingError, start_annealing
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.train import train
from tuner.training.variables import current_learning_rate
from tuner.training_settings import Annealing

LOSSES = [1.0, 0.8, 0.79999, 0.9, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.6, 0.61, 0.62, 0.63, 0.64, 0.65]


def result(epoch: int, value: float) -> Any:
    return Epoch(
        epoch=epoch,
        loss=value,
        accuracy=1 - value,
        val_loss=value,
        val_accuracy=1 - value,
        learning_rate=None,
        duration_s=None,
    )


def rates_of(annealing: Annealing, *, epochs: int, steps: int = 10, highest: float = 0.1) -> Any:
    rates = start_annealing(annealing, highest_rate=highest, epochs=epochs, steps_per_epoch=steps, has_validation=True)
    return np.concatenate([rates.of_epoch(epoch) for epoch in range(1, epochs + 1)])


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
@pytest.mark.parametrize(
    "numbers",
    [
        {"patience": 1, "factor": 0.5},
        {"patience": 2, "factor": 0.3, "cooldown": 2},
        {"patience": 1, "factor": 0.1, "min_lr": 0.002, "min_delta": 0.05},
    ],
)
def test_the_plateau_rule_is_keras_reduce_lr_on_plateau(monitor: str, numbers: dict[str, Any]) -> None:
    model = build_mlp(optimizer=keras.optimizers.SGD(0.1))
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor=monitor, mode="min" if monitor == "val_loss" else "max", **numbers
    )
    callback.set_model(model)
    callback.on_train_begin()
    rates = start_annealing(
        Annealing(rule="plateau", monitor=monitor, **{"min_delta": 1e-4, **numbers}),
        highest_rate=0.1,
        epochs=len(LOSSES),
        steps_per_epoch=1,
        has_validation=True,
    )
    ours, theirs = [], []
    for epoch, value in enumerate(LOSSES, start=1):
        ours.append(rates.of_epoch(epoch)[0])
        theirs.append(np.float32(current_learning_rate(model)))
        rates.observe(result(epoch, value))
        callback.on_epoch_end(epoch - 1, {"val_loss": value, "val_accuracy": 1 - value})

    assert len(set(ours)) > 2
    np.testing.assert_array_equal(ours, theirs)


def test_a_plateau_goes_on_from_its_stored_state() -> None:
    def start() -> Any:
        annealing = Annealing(rule="plateau", patience=2, cooldown=1)
        return start_annealing(annealing, highest_rate=0.1, epochs=16, steps_per_epoch=1, has_validation=True)

    whole, stopped = start(), start()
    for epoch, value in enumerate(LOSSES, start=1):
        whole.observe(result(epoch, value))
        stopped.observe(result(epoch, value))
        resumed = start()
        resumed.restore(stopped.state())
        stopped = resumed

        assert stopped.of_epoch(epoch + 1) == whole.of_epoch(epoch + 1)


def test_without_validation_the_plateau_watches_the_training_metric_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    annealing = Annealing(rule="plateau", monitor="val_accuracy", patience=1)
    with caplog.at_level(logging.INFO, logger="tuner.training"):
        rates = start_annealing(annealing, highest_rate=0.1, epochs=3, steps_per_epoch=1, has_validation=False)
    without = Epoch(
        epoch=1, loss=1, accuracy=0.5, val_loss=None, val_accuracy=None, learning_rate=None, duration_s=None
    )

    rates.observe(without)
    rates.observe(without)

    assert rates.of_epoch(3) == np.float32(0.05)
    assert "No validation set: the plateau rule watches accuracy instead of val_accuracy." in caplog.messages


def test_cosine_rises_over_the_warm_up_and_falls_to_the_lowest_rate() -> None:
    rates = rates_of(Annealing(rule="cosine", warmup_epochs=2, min_lr=0.001), epochs=10)

    np.testing.assert_allclose(rates[:20], 0.1 * np.arange(1, 21) / 20, rtol=1e-6)
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 80)
    expected = [max(float(schedule(step)), 0.001) for step in range(80)]
    np.testing.assert_allclose(rates[20:], expected, rtol=1e-4)


def test_one_cycle_rises_to_the_models_rate_and_falls_to_almost_nothing() -> None:
    rates = rates_of(Annealing(rule="one-cycle", min_lr=0), epochs=10)

    assert rates[0] == pytest.approx(0.1 / 25)
    assert rates.argmax() == 30
    assert rates.max() == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0.1 / 25e4)
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()


def test_steps_multiply_the_rate_after_a_fixed_number_of_epochs() -> None:
    rates = rates_of(Annealing(rule="step", factor=0.5, every_epochs=2, min_lr=0.02), epochs=8, steps=2)

    np.testing.assert_allclose(rates[::2], [0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.02, 0.02], rtol=1e-6)
    np.testing.assert_array_equal(rates[::2], rates[1::2])


@pytest.mark.parametrize("rule", ["cosine", "one-cycle", "step", "plateau"])
def test_a_model_that_begins_below_the_lowest_rate_is_not_raised_to_it(rule: str) -> None:
    assert rates_of(Annealing(rule=rule, min_lr=1e-3), epochs=3, highest=1e-4).max() == np.float32(1e-4)


@pytest.mark.parametrize("rule", ["cosine", "one-cycle", "step", "plateau"])
def test_every_rule_reaches_the_optimizer(rule: str, digits: TrainingData) -> None:
    model = build_mlp(optimizer=keras.optimizers.SGD(0.1))
    plan = TrainingPlan(epochs=4, batch_size=64, seed=0, annealing=Annealing(rule=rule, monitor="loss", min_delta=9))
    expected = rates_of(plan.annealing, epochs=4, steps=4).reshape(4, 4)[:, -1]

    history = train(model, digits, plan, on_epoch=lambda _: None)

    measured = [epoch.learning_rate for epoch in history.epochs]
    if rule == "plateau":
        expected = [0.1, 0.1, 0.1, 0.1]  # patience is 3 and the first epoch always improves
    np.testing.assert_allclose(measured, expected, rtol=1e-6)


def test_the_rate_of_each_step_is_the_one_that_is_used(digits: TrainingData) -> None:
    class Recording(keras.optimizers.SGD):
        """Keeps the sum of the squares of the rates it used: differs unless every step had its own."""

        def build(self, variables: Any) -> None:
            super().build(variables)
            self.squares = self.add_variable((), name="squares")

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            super().update_step(gradient, variable, learning_rate)
            if variable.shape == (10,):
                self.assign_add(self.squares, learning_rate**2)

    model = build_mlp(optimizer=Recording(0.1))
    annealing = Annealing(rule="cosine", warmup_epochs=1)

    train(model, digits, TrainingPlan(epochs=3, batch_size=64, seed=0, annealing=annealing), on_epoch=lambda _: None)

    expected = (rates_of(annealing, epochs=3, steps=4).astype(np.float64) ** 2).sum()
    assert float(keras.ops.convert_to_numpy(model.optimizer.squares)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "numbers",
    [
        {"rule": "linear"},
        {"rule": "plateau", "monitor": "f1"},
        {"rule": "plateau", "factor": 1.0},
        {"rule": "plateau", "patience": 0},
        {"rule": "plateau", "warmup_epochs": 1},
        {"rule": "step", "every_epochs": 0},
    ],
)
def test_impossible_numbers_are_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=list(numbers)[-1]):
        Annealing(**numbers)


def test_a_plan_has_no_annealing_where_the_study_has_none() -> None:
    with pytest.raises(ValueError, match=r"Received annealing with the rule 'none'. Expected None."):
        TrainingPlan(epochs=1, batch_size=1, seed=0, annealing=Annealing(rule="none"))


def test_a_warm_up_as_long_as_the_run_is_refused() -> None:
    with pytest.raises(AnnealingError, match="2 warm-up epochs for a run of 2"):
        rates_of(Annealing(rule="cosine", warmup_epochs=2), epochs=2)
