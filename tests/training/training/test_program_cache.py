import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_models import build_cnn
from tensorflow.python.autograph.pyct import loader

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch
from tuner.training.checkpoint import Checkpoint
from tuner.training.own_fit import OwnFit
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs import cache, tensorflow
from tuner.training.programs.interface import find_backend
from tuner.training.session import PROGRAMS, release_memory, seed_everything
from tuner.training.train import train
from tuner.training.variables import read_variable
from tuner.training_settings import Annealing, Augmentation

pytestmark = pytest.mark.usefixtures("kernels_stay")

PLAN = TrainingPlan(epochs=2, batch_size=64, seed=1)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[keras.Model]]:
    """The models for which programs were compiled, in their order; the cache is empty before."""
    PROGRAMS.clear()
    models: list[keras.Model] = []
    open_program = cache.open_program

    def open_and_note(model: keras.Model, *arguments: Any, **options: Any) -> Any:
        models.append(model)
        return open_program(model, *arguments, **options)

    monkeypatch.setattr(cache, "open_program", open_and_note)
    return models


def run(
    data: TrainingData, plan: TrainingPlan = PLAN, *, rate: float = 0.01, seed: int = 0, **options: Any
) -> tuple[keras.Model, list[Any]]:
    """Train a cnn with dropout as a fresh trial would; return it and its curve."""
    release_memory()
    seed_everything(seed)
    model = build_cnn(dropout=options.pop("dropout", 0.3), optimizer=keras.optimizers.Adam(rate))
    history = train(model, data, plan, on_epoch=options.pop("on_epoch", lambda _: None), **options)
    return model, [{**asdict(result), "duration_s": None} for result in history.epochs]


def test_another_learning_rate_and_seed_share_the_program_and_train_as_with_a_new_one(
    digits: TrainingData, compiled: list[keras.Model]
) -> None:
    run(digits)
    model, curve = run(digits, replace(PLAN, seed=7), rate=0.003, seed=5)
    n_compiled = len(compiled)

    PROGRAMS.clear()
    alone, expected = run(digits, replace(PLAN, seed=7), rate=0.003, seed=5)

    assert n_compiled == 1
    assert curve == expected
    for variable, own in zip(model.variables, alone.variables, strict=True):
        np.testing.assert_array_equal(read_variable(variable), read_variable(own))


def test_other_images_of_equal_shapes_share_the_program_and_train_as_with_a_new_one(
    digits: TrainingData, compiled: list[keras.Model]
) -> None:
    # As another fold has.
    assert digits.validation is not None
    other = TrainingData(
        train=digits.train.take(np.arange(249, -1, -1)), validation=digits.validation.take(np.arange(50, 150) % 100)
    )
    _, first = run(digits)
    _, curve = run(other)
    _, again = run(digits)
    n_compiled = len(compiled)

    PROGRAMS.clear()
    _, expected = run(other)

    assert n_compiled == 1
    assert curve == expected != first
    assert again == first


def test_another_plan_on_other_images_uses_the_steps_again_and_trains_as_with_new_ones(
    digits: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced: list[str] = []
    compile_step = tensorflow._compile_step
    monkeypatch.setattr(
        tensorflow, "_compile_step", lambda *arguments: [traced.append("step"), compile_step(*arguments)][1]
    )
    other = replace(digits, train=digits.train.take(np.arange(200)))
    plan = replace(
        PLAN, batch_size=32, seed=7, augmentation=Augmentation.only(rotation=10), annealing=Annealing(rule="cosine")
    )
    PROGRAMS.clear()
    run(digits)
    model, curve = run(other, plan, rate=0.003, seed=5)
    n_traced = len(traced)

    PROGRAMS.clear()
    alone, expected = run(other, plan, rate=0.003, seed=5)

    # Of training and of validation.
    assert (n_traced, len(traced)) == (2, 4)
    assert curve == expected
    for variable, own in zip(model.variables, alone.variables, strict=True):
        np.testing.assert_array_equal(read_variable(variable), read_variable(own))


def test_no_source_is_read_to_make_a_program(digits: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    # That of a process whose package is being updated is another one than it has imported.
    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(loader, "load_source", refuse)
    PROGRAMS.clear()

    _, curve = run(digits, replace(PLAN, epochs=1, augmentation=Augmentation.only(rotation=10)))

    assert len(curve) == 1


def test_the_model_that_a_program_was_compiled_for_keeps_its_weights(
    digits: TrainingData, compiled: list[keras.Model]
) -> None:
    first, _ = run(digits)
    before = [read_variable(variable) for variable in first.variables]

    run(digits, rate=0.003, seed=5)

    assert len(compiled) == 1
    for variable, old in zip(first.variables, before, strict=True):
        np.testing.assert_array_equal(read_variable(variable), old)


def test_a_model_with_a_shared_program_resumes_from_its_checkpoint(
    digits: TrainingData, compiled: list[keras.Model], tmp_path: Path
) -> None:
    class DeadError(Exception):
        pass

    def die(result: Epoch) -> None:
        del result
        raise DeadError

    run(digits)
    _, expected = run(digits, seed=5)

    with pytest.raises(DeadError):
        run(digits, seed=5, on_epoch=die, checkpoint=Checkpoint(ArtifactStore(str(tmp_path)), "run"))
    _, resumed = run(digits, seed=5, checkpoint=Checkpoint(ArtifactStore(str(tmp_path)), "run"))

    assert resumed == expected
    assert len(compiled) == 1


def test_a_model_goes_on_with_its_program_and_with_a_new_one_once_it_has_another_optimizer(
    digits: TrainingData, compiled: list[keras.Model]
) -> None:
    def losses(model: keras.Model) -> list[float]:
        return [result.loss for result in train(model, digits, PLAN, on_epoch=lambda _: None).epochs]

    model, _ = run(digits)
    first, again = losses(model), losses(model)
    n_compiled = len(compiled)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])

    assert again[-1] < first[0]
    assert n_compiled == 1
    assert losses(model)[-1] < again[-1]
    assert len(compiled) == 2


def open_for(model: keras.Model, data: TrainingData, plan: TrainingPlan = PLAN) -> None:
    """Open the program of a run, which is not compiled before it runs."""
    PROGRAMS.open(model, data, replace(plan, labels="indices"))


@pytest.mark.parametrize(
    ("dropout", "changes", "n_images"),
    [
        (0.2, {}, 250),
        (0.3, {"batch_size": 32}, 250),
        (0.3, {"augmentation": Augmentation.only(rotation=10)}, 250),
        (0.3, {"annealing": Annealing(rule="cosine")}, 250),
        (0.3, {}, 200),
    ],
    ids=["dropout", "batch size", "augmentation", "annealing", "images"],
)
def test_what_is_part_of_a_program_is_compiled_anew(
    dropout: float, changes: dict[str, Any], n_images: int, digits: TrainingData, compiled: list[keras.Model]
) -> None:
    changed = digits if n_images == 250 else replace(digits, train=digits.train.take(np.arange(n_images)))
    for _ in range(2):
        open_for(build_cnn(dropout=0.3), digits)
    n_compiled = len(compiled)

    open_for(build_cnn(dropout=dropout), changed, replace(PLAN, **changes))

    assert (n_compiled, len(compiled)) == (1, 2)


class OwnLayer(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        return 2 * inputs


def with_own_layer() -> keras.Model:
    layers = [keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), OwnLayer(), keras.layers.Dense(10, "softmax")]
    return keras.Sequential(layers)


class OwnModel(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self._layers_in_turn = [keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]

    def call(self, inputs: Any) -> Any:
        for layer in self._layers_in_turn:
            inputs = layer(inputs)
        return inputs


def with_own_activation() -> keras.Model:
    layers = [keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, lambda x: abs(x) + 0.1)]
    return keras.Sequential(layers)


def own_sparse_loss(y_true: Any, y_pred: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


@pytest.mark.parametrize(
    ("build", "loss"),
    [
        (with_own_layer, "sparse_categorical_crossentropy"),
        (OwnModel, "sparse_categorical_crossentropy"),
        (with_own_activation, "sparse_categorical_crossentropy"),
        (build_cnn, own_sparse_loss),
    ],
)
def test_what_a_person_wrote_is_always_compiled_anew(
    build: Callable[[], keras.Model], loss: Any, digits: TrainingData, compiled: list[keras.Model]
) -> None:
    for _ in range(2):
        release_memory()
        seed_everything(0)
        model = build()
        model.compile("adam", loss, metrics=["accuracy"])
        # Builds it.
        model(np.zeros((1, 8, 8, 1)))
        open_for(model, digits)

    assert len(compiled) == 2


def test_a_cached_program_makes_room_for_images_that_would_not_fit_beside_it(
    digits: TrainingData, compiled: list[keras.Model], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run(digits)
    # As on a GPU that the last model's images fill.
    monkeypatch.setattr(
        find_backend(), "free_memory_bytes", lambda: 2**30 if PROGRAMS.is_empty else digits.train.images.nbytes
    )

    with caplog.at_level(logging.INFO, logger="tuner.training"):
        run(digits, dropout=0.2)

    assert "streamed" not in caplog.text
    assert len(compiled) == 2


def test_what_callbacks_change_of_the_model_before_its_first_step_is_part_of_the_program(
    digits: TrainingData, compiled: list[keras.Model]
) -> None:
    class SetsDropout(keras.callbacks.Callback):
        def __init__(self, rate: float) -> None:
            super().__init__()
            self.rate = rate

        def on_train_begin(self, logs: Any = None) -> None:
            del logs
            self.model.get_layer("dropout").rate = self.rate

    def losses(rate: float) -> list[float]:
        def fit(_hp: Any, model: Any, *args: Any, callbacks: Any, **kwargs: Any) -> Any:
            return model.fit(*args, callbacks=[*callbacks, SetsDropout(rate)], batch_size=64, **kwargs)

        _, curve = run(digits, own_fit=OwnFit(function=fit, hyperparameters=None))
        return [epoch["loss"] for epoch in curve]

    without, with_dropout, again = losses(0.0), losses(0.9), losses(0.9)

    assert with_dropout[-1] > without[-1]
    assert again == with_dropout
    assert len(compiled) == 2


class SeesMetrics(keras.callbacks.Callback):
    """Notes what a callback can see of the model's metrics after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch
        measured = {name: float(value) for name, value in self.model.get_metrics_result().items()}
        assert measured == {name.removeprefix("val_"): logs[name] for name in logs if name.startswith("val_")}
        self.seen.append((self.model.metrics_names, [metric.name for metric in self.model.metrics]))


def test_callbacks_see_the_same_metrics_with_a_shared_program_as_with_a_new_one(
    digits: TrainingData, compiled: list[keras.Model]
) -> None:
    looking = [SeesMetrics(), SeesMetrics()]
    runs = []

    for rate, looks in zip((0.01, 0.003), looking, strict=True):
        # What these watch is to rise or to fall as the model's metrics say.
        own = [
            looks,
            keras.callbacks.EarlyStopping("val_accuracy", patience=1),
            keras.callbacks.EarlyStopping("accuracy", patience=1),
            keras.callbacks.EarlyStopping("val_accuracy", patience=1, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau("val_accuracy", patience=1),
        ]

        def fit(_hp: Any, model: Any, *args: Any, callbacks: Any, own: Any = own, **kwargs: Any) -> Any:
            return model.fit(*args, callbacks=[*callbacks, *own], batch_size=64, **kwargs)

        runs.append(run(digits, rate=rate, own_fit=OwnFit(function=fit, hyperparameters=None)))

    assert len(compiled) == 1, "the second model shares the program"
    first, second = (model for model, _ in runs)
    assert second.metrics_names == first.metrics_names == ["loss", "compile_metrics"]
    assert looking[0].seen == looking[1].seen != []
    assert second.evaluate(digits.train.images / 255.0, digits.train.labels, verbose=0)[1] > 0.1
