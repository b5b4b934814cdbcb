import keras
import pytest
from small_models import build_cnn, build_mlp

from tuner.epochs import Epoch
from tuner.training.annealing import Annealing, AnnealingError
from tuner.training.devices import DeviceMemoryError, translate_device_errors
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.progress import NanLossError
from tuner.training.run import UncompiledModelError, train

PLAN = TrainingPlan(epochs=2, batch_size=32, seed=0)


def ignore(result: Epoch) -> None:
    """Look at no epoch."""


class PrunedError(Exception):
    pass


def test_what_on_epoch_raises_ends_the_run_unchanged(digits: TrainingData) -> None:
    error = PrunedError()

    def on_epoch(result: Epoch) -> None:
        assert result.epoch == 1
        raise error

    with pytest.raises(PrunedError) as caught:
        train(build_mlp(), digits, PLAN, on_epoch=on_epoch)
    assert caught.value is error


def test_a_loss_that_is_no_number_names_its_epoch(digits: TrainingData) -> None:
    model = build_cnn(optimizer=keras.optimizers.SGD(1e30), loss="mean_squared_error")
    model.layers[-1].activation = keras.activations.linear

    with pytest.raises(NanLossError, match=r"became (nan|inf) in epoch \d.*lower learning rate"):
        train(model, digits, TrainingPlan(epochs=5, batch_size=32, seed=0), on_epoch=ignore)


def test_a_model_that_is_not_compiled_is_refused(digits: TrainingData) -> None:
    model = keras.Sequential([keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])

    with pytest.raises(UncompiledModelError, match=r"call model.compile"):
        train(model, digits, PLAN, on_epoch=ignore)


def test_an_optimizers_own_schedule_is_kept_and_annealing_left_out(digits: TrainingData) -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 8, 0.5)
    plan = TrainingPlan(epochs=2, batch_size=32, seed=0, annealing=Annealing(rule="cosine"))
    notes: list[str] = []

    history = train(
        build_mlp(optimizer=keras.optimizers.SGD(schedule)), digits, plan, on_epoch=ignore, on_note=notes.append
    )

    assert [epoch.learning_rate for epoch in history.epochs] == pytest.approx([0.05, 0.025])
    assert notes == [
        "Trained without the cosine annealing: the model's optimizer has a learning-rate schedule of its own."
    ]


def test_a_plateau_of_an_accuracy_that_is_not_measured_is_refused(digits: TrainingData) -> None:
    plan = TrainingPlan(epochs=1, batch_size=32, seed=0, annealing=Annealing(rule="plateau", monitor="val_accuracy"))

    with pytest.raises(AnnealingError, match=r"metrics=\['accuracy'\]"):
        train(build_mlp(metrics=[]), digits, plan, on_epoch=ignore)


def test_too_little_memory_is_an_error_of_its_own_and_others_pass() -> None:
    with pytest.raises(DeviceMemoryError, match="lower the batch size"), translate_device_errors():
        keras.ops.ones((10**6, 10**8))

    with pytest.raises(KeyError), translate_device_errors():
        raise KeyError


@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("batch_size", 0), ("seed", -1)])
def test_a_plan_refuses_numbers_out_of_range(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"Received {name}={value}"):
        TrainingPlan(**{"epochs": 1, "batch_size": 1, "seed": 0, name: value})
