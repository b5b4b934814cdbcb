import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest
from small_models import build_cnn, build_mlp

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch
from tuner.training import keras_loop, programs
from tuner.training.checkpoint import Checkpoint
from tuner.training.history import TrainingHistory
from tuner.training.own_fit import NoEpochReportedError, OwnFit
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs.interface import find_backend
from tuner.training.session import PROGRAMS
from tuner.training.train import train
from tuner.training_settings import Annealing, Augmentation

PLAN = TrainingPlan(
    epochs=3,
    batch_size=32,
    seed=2,
    augmentation=Augmentation.only(rotation=10, elastic=0.05, contrast=0.2, cutout=0.3, mixup=0.3),
    annealing=Annealing(rule="step", every_epochs=1),
)


class OwnStep(keras.Model):
    """Overrides `train_step` and changes nothing."""

    def train_step(self, *arguments: Any) -> Any:
        return super().train_step(*arguments)


class StopError(Exception):
    pass


def stop_after(epoch: int) -> Any:
    def on_epoch(result: Epoch) -> None:
        if result.epoch == epoch:
            raise StopError

    return on_epoch


def ignore(result: Epoch) -> None:
    """Look at no epoch."""


def own_fit(hyperparameters: Any, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
    assert hyperparameters == {"units": 16}
    return model.fit(x, y, batch_size=50, shuffle=False, verbose=0, **kwargs)


def brightening_fit(hyperparameters: Any, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
    return own_fit(hyperparameters, model, x * 1.1, y, **kwargs)


def brightening_fit_without_resume(
    hyperparameters: Any, model: keras.Model, x: Any, y: Any, *, validation_data: Any, epochs: int, callbacks: Any
) -> Any:
    return brightening_fit(
        hyperparameters, model, x, y, validation_data=validation_data, epochs=epochs, callbacks=callbacks
    )


def curve(history: TrainingHistory) -> Any:
    return [(r.epoch, r.loss, r.accuracy, r.val_loss, r.val_accuracy, r.learning_rate) for r in history.epochs]


def test_a_model_with_its_own_train_step_is_trained_by_keras_in_our_order_and_augmentation(
    digits: TrainingData, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = build_cnn(), build_cnn(cls=OwnStep)
    theirs.set_weights(ours.get_weights())

    expected = train(ours, digits, PLAN, on_epoch=ignore)
    with caplog.at_level(logging.INFO, logger="tuner.training"):
        history = train(theirs, digits, PLAN, on_epoch=ignore)

    assert "Training with Keras' own loop: OwnStep overrides train_step." in caplog.messages
    np.testing.assert_allclose(curve(history), curve(expected), rtol=1e-3)


def test_keras_own_loop_validates_in_batches_where_arrays_would_fill_the_memory(
    digits: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Watched(OwnStep):
        def fit(self, *arguments: Any, validation_data: Any, **kwargs: Any) -> Any:
            given.append(type(validation_data))
            return super().fit(*arguments, validation_data=validation_data, **kwargs)

    given: list[type] = []
    plan = TrainingPlan(epochs=2, batch_size=32, seed=2)

    def run() -> TrainingHistory:
        keras.utils.set_random_seed(0)
        return train(build_cnn(cls=Watched), digits, plan, on_epoch=ignore)

    arrays = run()
    monkeypatch.setattr(keras_loop, "free_memory_bytes", lambda: 0)
    batches = run()

    assert given == [tuple, keras_loop.PictureBatches]
    np.testing.assert_allclose(curve(batches), curve(arrays), rtol=1e-6)


def test_keras_own_loop_resumes_exactly(digits: TrainingData, tmp_path: Path) -> None:
    def fresh() -> Any:
        keras.utils.set_random_seed(0)
        return build_cnn(cls=OwnStep, dropout=0.2)

    checkpoint = Checkpoint(ArtifactStore(str(tmp_path)), "run")
    with pytest.raises(StopError):
        train(fresh(), digits, PLAN, on_epoch=stop_after(2), checkpoint=checkpoint)
    resumed = train(fresh(), digits, PLAN, on_epoch=ignore, checkpoint=checkpoint)
    undisturbed = train(fresh(), digits, PLAN, on_epoch=ignore)

    assert resumed.resumed_from == 2
    assert curve(resumed) == curve(undisturbed)


@pytest.mark.parametrize("fit", [own_fit, brightening_fit])
def test_a_hypermodels_own_fit_is_called_once_and_its_epochs_are_reported(fit: Any, digits: TrainingData) -> None:
    seen = []

    history = train(
        build_mlp(), digits, PLAN, on_epoch=seen.append, own_fit=OwnFit(function=fit, hyperparameters={"units": 16})
    )

    assert tuple(seen) == history.epochs
    assert [result.epoch for result in seen] == [1, 2, 3]
    assert [result.learning_rate for result in seen] == pytest.approx([1e-3, 5e-4, 2.5e-4])
    assert all(result.val_accuracy is not None for result in seen)


@pytest.mark.parametrize(
    ("fit", "resumed_from"),
    [
        (brightening_fit, 2),
        (brightening_fit_without_resume, 0),
    ],
)
def test_an_own_fit_resumes_when_it_hands_on_or_takes_an_initial_epoch_and_restarts_when_not(
    fit: Any, resumed_from: int, digits: TrainingData, tmp_path: Path
) -> None:
    def run(on_epoch: Any, checkpoint: Checkpoint | None = None) -> Any:
        keras.utils.set_random_seed(0)
        return train(
            build_mlp(),
            digits,
            PLAN,
            on_epoch=on_epoch,
            checkpoint=checkpoint,
            own_fit=OwnFit(function=fit, hyperparameters={"units": 16}),
        )

    checkpoint = Checkpoint(ArtifactStore(str(tmp_path)), "run")
    with pytest.raises(StopError):
        run(stop_after(2), checkpoint)
    resumed = run(ignore, checkpoint)

    assert resumed.resumed_from == resumed_from
    assert curve(resumed) == curve(run(ignore))


def test_an_own_fit_that_drops_its_callbacks_is_refused(digits: TrainingData) -> None:
    def silent_fit(hyperparameters: Any, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> None:
        del hyperparameters, kwargs
        model.fit(x, y, verbose=0)

    with pytest.raises(NoEpochReportedError, match="pass its callbacks on"):
        train(build_mlp(), digits, PLAN, on_epoch=ignore, own_fit=OwnFit(function=silent_fit, hyperparameters=None))


def test_images_that_do_not_fit_the_device_are_streamed_to_the_same_curve(
    digits: TrainingData, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> TrainingHistory:
        keras.utils.set_random_seed(0)
        return train(build_cnn(), digits, PLAN, on_epoch=ignore)

    expected = run()
    PROGRAMS.clear()
    n_bytes = 350 * (64 + 10 * 4)
    monkeypatch.setattr(programs, "LARGEST_SHARE", (n_bytes - 1) / find_backend().free_memory_bytes() / 2)
    with caplog.at_level(logging.INFO, logger="tuner.training"):
        history = run()
    PROGRAMS.clear()

    assert "The images are streamed to the device: the images take 0.00 GiB, more than 0% of the" in caplog.text
    assert curve(history) == curve(expected)


def test_the_device_says_what_is_free_and_images_up_to_half_of_it_stay_there(
    digits: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = find_backend()
    assert 2**20 < backend.free_memory_bytes() <= psutil.virtual_memory().total

    n_bytes = 350 * (64 + 10 * 4)
    monkeypatch.setattr(backend, "free_memory_bytes", lambda: 2 * n_bytes)
    assert programs.find_excess(digits) is None

    monkeypatch.setattr(backend, "free_memory_bytes", lambda: 2 * n_bytes - 1)
    assert "more than 50% of the" in programs.find_excess(digits)
