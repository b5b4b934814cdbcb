"""A HyperModel's own `fit`, as KerasTuner's users write them: what it is given, how it resumes, what is augmented."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits
from support.objectives import ACCURACY

from tuner.artifacts import ArtifactStore
from tuner.datasets.images import LabelledImages
from tuner.epochs import Epoch
from tuner.jobs.fitting.fit import FitRequest, Fitted, NoScoreError, fit
from tuner.jobs.fitting.setup import TrainingSetup
from tuner.spaces.space import Space
from tuner.training.checkpoint import Checkpoint
from tuner.training.own_fit import NoEpochReportedError
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.variables import read_variable
from tuner.training_settings import Annealing, Augmentation

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    # Keras says so of every `tf.data.Dataset`.
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning"),
]

EPOCHS = 3


class DeadError(Exception):
    """As if the worker was killed, or asked to end."""


@pytest.fixture(scope="module")
def digits() -> TrainingData:
    """40 real digits to train on, 20 to validate on."""
    bunch = load_digits()
    images = (bunch.images * 255 / 16).astype(np.uint8)[..., None]
    everything = LabelledImages(images=images, labels=bunch.target.astype(np.int64), class_names=tuple("0123456789"))
    return TrainingData(train=everything.take(np.arange(40)), validation=everything.take(np.arange(40, 60)))


def build(_hp: Any, _images: Any, loss: Any = "sparse_categorical_crossentropy", **compiled: Any) -> Any:
    """Compile the net step by step, which costs no tracing: by programs it would train alike."""
    model = keras.Sequential(
        [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(16, "relu"), layers.Dense(10, "softmax")]
    )
    model.compile(
        **{"optimizer": keras.optimizers.SGD(0.05), "loss": loss, "metrics": ["accuracy"], "run_eagerly": True}
        | compiled
    )
    return model


def build_for_programs(_hp: Any, _images: Any) -> Any:
    return build(_hp, _images, run_eagerly=False)


@dataclass
class Run:
    """What came of a space with this `fit`."""

    fitted: Fitted
    reported: list[int]
    notes: list[str] = field(default_factory=list)

    @property
    def curve(self) -> list[Any]:
        return [(e.epoch, e.loss, e.accuracy, e.val_loss, e.val_accuracy) for e in self.fitted.epochs]

    @property
    def n_steps(self) -> int:
        return int(read_variable(self.fitted.model.optimizer.iterations))


def run(
    own_fit: Callable[..., Any] | None,
    data: TrainingData,
    *,
    checkpoint: Checkpoint | None = None,
    die_after: int | None = None,
    build: Callable[..., Any] = build,
    data_for_own_fit: Any = None,
    **schedule: Any,
) -> Run:
    reported: list[int] = []
    notes: list[str] = []

    def on_epoch(result: Epoch) -> None:
        reported.append(result.epoch)
        if result.epoch == die_after:
            raise DeadError

    space = Space(name="mine:Net", description="", build=build, fit=own_fit, help={})
    request = FitRequest(
        hyperparameters=keras_tuner.HyperParameters(),
        data=data,
        plan=TrainingPlan(**{"epochs": EPOCHS, "seed": 3, "batch_size": 32} | schedule),
        on_epoch=on_epoch,
        on_note=notes.append,
        checkpoint=checkpoint,
        data_for_own_fit=data_for_own_fit,
    )
    fitted = fit(TrainingSetup(space=space, objective=ACCURACY), request)
    return Run(fitted, reported, notes)


def epochs_of_ones_own(epochs: Any, model: Any, x: Any, y: Any, *, validation_data: Any, callbacks: Any) -> None:
    """The loop of KerasTuner's guide."""
    for callback in callbacks:
        callback.set_model(model)
    for epoch in epochs:
        for first in range(0, len(x), 20):
            model.train_on_batch(x[first : first + 20], y[first : first + 20])
        measured = model.evaluate(*validation_data, verbose=0, return_dict=True)
        for callback in callbacks:
            callback.on_epoch_end(epoch, {"val_loss": measured["loss"], "val_accuracy": measured["accuracy"]})


def ignoring_loop(_hp: Any, *given: Any, validation_data: Any, callbacks: Any, epochs: int = 1, **_: Any) -> None:
    epochs_of_ones_own(range(epochs), *given, validation_data=validation_data, callbacks=callbacks)


def honouring_loop(_hp: Any, *given: Any, validation_data: Any, callbacks: Any, epochs: int, **others: Any) -> None:
    left = range(others.get("initial_epoch", 0), epochs)
    epochs_of_ones_own(left, *given, validation_data=validation_data, callbacks=callbacks)


def counting_from_one(_hp: Any, *given: Any, validation_data: Any, callbacks: Any, epochs: int, **_: Any) -> None:
    epochs_of_ones_own(range(1, epochs + 1), *given, validation_data=validation_data, callbacks=callbacks)


def naming_but_ignoring(
    _hp: Any, *given: Any, validation_data: Any, callbacks: Any, epochs: int, initial_epoch: int = 0
) -> None:
    del initial_epoch
    epochs_of_ones_own(range(epochs), *given, validation_data=validation_data, callbacks=callbacks)


def swallowing_loop(*args: Any, **kwargs: Any) -> None:
    """Catches what callbacks raise, and goes on."""
    model, x, y = args[1:4]
    for epoch in range(kwargs["epochs"]):
        model.train_on_batch(x, y)
        for callback in kwargs["callbacks"]:
            with suppress(Exception):
                callback.on_epoch_end(epoch, {"loss": 1.0, "val_accuracy": 0.5})


def dropping_initial_epoch(_hp: Any, model: Any, x: Any, y: Any, **kwargs: Any) -> Any:
    kwargs.pop("initial_epoch", None)
    return model.fit(x * 1.0, y, **kwargs)


def epoch_by_epoch(_hp: Any, model: Any, x: Any, y: Any, *, epochs: int, **kwargs: Any) -> None:
    kwargs.pop("initial_epoch", None)
    for _ in range(epochs):
        model.fit(x, y, epochs=1, **kwargs)


def freezing(_hp: Any, model: Any, *args: Any, epochs: int = 2, **kwargs: Any) -> Any:
    """Transfer learning: an epoch of the frozen net, the rest of the whole one."""
    model.layers[1].trainable = False
    settings = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "run_eagerly": model.run_eagerly}
    model.compile("sgd", **settings)
    model.fit(*args, epochs=1, **kwargs)
    model.layers[1].trainable = True
    model.compile(keras.optimizers.SGD(1e-3), **settings)
    return model.fit(*args, epochs=epochs - 1, **kwargs)


def in_two_calls(_hp: Any, model: Any, *args: Any, epochs: int = 2, **kwargs: Any) -> Any:
    model.fit(*args, epochs=1, **kwargs)
    return model.fit(*args, epochs=epochs - 1, **kwargs)


def recompiling(_hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    model.compile(keras.optimizers.SGD(0.01), model.loss, metrics=["accuracy"], run_eagerly=model.run_eagerly)
    return model.fit(*args, **kwargs)


def taking_no_initial_epoch(
    _hp: Any, model: Any, x: Any, y: Any, *, validation_data: Any, epochs: int, callbacks: Any
) -> Any:
    return model.fit(x * 1.0, y, validation_data=validation_data, epochs=epochs, callbacks=callbacks)


BEGUN_ANEW = {
    "loop that ignores it": (ignoring_loop, "went on at epoch 1 and not at initial_epoch"),
    "loop that counts from one": (counting_from_one, "numbers its epochs in a way of its own"),
    "loop that names and ignores it": (naming_but_ignoring, "went on at epoch 1 and not at initial_epoch"),
    "fit that drops it": (dropping_initial_epoch, "did not hand initial_epoch on"),
    "fit that takes none": (taking_no_initial_epoch, "takes no initial_epoch"),
    "call for each epoch": (epoch_by_epoch, "calls model.fit more than once"),
    "freeze and thaw": (freezing, "compiles the model anew"),
}


@pytest.mark.parametrize(("case", "die_after"), [*((case, 2) for case in BEGUN_ANEW), ("freeze and thaw", 1)])
def test_a_fit_that_cannot_go_on_begins_anew_and_has_each_epoch_once(
    case: str, die_after: int, digits: TrainingData, tmp_path: Path
) -> None:
    own_fit, reason = BEGUN_ANEW[case]
    store = ArtifactStore(str(tmp_path))

    with pytest.raises(DeadError):
        run(own_fit, digits, checkpoint=Checkpoint(store, "run", writer=1), die_after=die_after)
    again = run(own_fit, digits, checkpoint=Checkpoint(store, "run", writer=2))
    undisturbed = run(own_fit, digits)

    assert [epoch for epoch, *_ in again.curve] == [1, 2, 3]
    assert again.curve == undisturbed.curve
    assert again.n_steps == undisturbed.n_steps
    for mine, expected in zip(again.fitted.model.get_weights(), undisturbed.fitted.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert undisturbed.notes == []
    (note,) = again.notes
    assert note.startswith(f"Restarted at epoch 1 with fresh weights instead of resuming after epoch {die_after}: ")
    assert reason in note


def test_a_loop_that_honours_it_goes_on(digits: TrainingData, tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))

    with pytest.raises(DeadError):
        run(honouring_loop, digits, checkpoint=Checkpoint(store, "run", writer=1), die_after=2)
    resumed = run(honouring_loop, digits, checkpoint=Checkpoint(store, "run", writer=2))

    assert resumed.curve == run(honouring_loop, digits).curve
    assert (resumed.reported, resumed.n_steps, resumed.notes) == ([1, 2, 3], EPOCHS * 2, [])


def test_a_loop_that_catches_what_callbacks_raise_is_ended_all_the_same(digits: TrainingData) -> None:
    with pytest.raises(DeadError):
        run(swallowing_loop, digits, die_after=2)


def test_epochs_are_counted_as_they_come(digits: TrainingData) -> None:
    for own_fit in (in_two_calls, counting_from_one):
        assert run(own_fit, digits).reported == [1, 2, 3]


def returning_history(_hp: Any, model: Any, x: Any, y: Any, *, validation_data: Any, epochs: int, **_kw: Any) -> Any:
    return model.fit(x, y, validation_data=validation_data, epochs=epochs, verbose=0)


def returning_metrics(_hp: Any, model: Any, x: Any, y: Any, *, validation_data: Any, **_kw: Any) -> Any:
    model.train_on_batch(x, y)
    measured = model.evaluate(*validation_data, verbose=0, return_dict=True)
    return {f"val_{name}": value for name, value in measured.items()}


def returning_error(_hp: Any, model: Any, x: Any, y: Any, **_kw: Any) -> float:
    model.train_on_batch(x, y)
    return 0.07


@pytest.mark.parametrize(("own_fit", "n_epochs"), [(returning_history, EPOCHS), (returning_metrics, 1)])
def test_what_a_fit_returns_counts_where_it_reports_nothing(
    own_fit: Callable[..., Any], n_epochs: int, digits: TrainingData
) -> None:
    result = run(own_fit, digits)

    measured = result.fitted.model.evaluate(
        digits.validation.images / np.float32(255), digits.validation.labels, verbose=0, return_dict=True
    )
    assert result.reported == list(range(1, n_epochs + 1))
    assert result.fitted.epochs[-1].val_accuracy == pytest.approx(measured["accuracy"], abs=1e-6)
    assert "could not be pruned" in " ".join(result.notes)


def test_a_number_that_a_fit_returns_is_no_score(digits: TrainingData) -> None:
    with pytest.raises(NoEpochReportedError, match=r"0.07, which may be a loss or an accuracy.*'val_accuracy'"):
        run(returning_error, digits)


def build_named(_hp: Any, _images: Any) -> Any:
    model = build(_hp, _images)
    model.compile(
        "adam", "sparse_categorical_crossentropy", metrics=[keras.metrics.SparseCategoricalAccuracy(name="mine")]
    )
    return model


def compiling_with_another_name(_hp: Any, model: Any, *arguments: Any, **kwargs: Any) -> Any:
    metrics = [keras.metrics.SparseTopKCategoricalAccuracy(3), keras.metrics.SparseCategoricalAccuracy(name="right")]
    model.compile("adam", "sparse_categorical_crossentropy", metrics=metrics)
    return model.fit(*arguments, **kwargs)


@pytest.mark.parametrize(
    ("build_model", "own_fit"),
    [
        (build_named, None),
        (build, compiling_with_another_name),
        (build_named, lambda _hp, model, *args, **kwargs: model.fit(*args, **kwargs)),
    ],
)
def test_accuracy_counts_whatever_it_is_called(
    build_model: Callable[..., Any], own_fit: Callable[..., Any] | None, digits: TrainingData
) -> None:
    result = run(own_fit, digits, build=build_model)

    metric = keras.metrics.SparseCategoricalAccuracy()
    answers = result.fitted.model.predict(digits.validation.images / np.float32(255), verbose=0)
    metric.update_state(digits.validation.labels, answers)
    assert result.fitted.epochs[-1].val_accuracy == pytest.approx(float(metric.result()), abs=1e-6)
    assert all(epoch.accuracy is not None for epoch in result.fitted.epochs)


def test_a_run_that_measures_no_accuracy_has_no_score(digits: TrainingData) -> None:
    def build_without(_hp: Any, _images: Any) -> Any:
        model = keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    with pytest.raises(NoScoreError, match=r"its logs held loss, val_loss\. Compile the model with metrics="):
        run(None, digits, build=build_without)


def test_a_fit_that_trains_another_model_is_told_so(digits: TrainingData) -> None:
    def own_fit(_hp: Any, model: Any, x: Any, y: Any, **kwargs: Any) -> None:
        other = keras.models.clone_model(model)
        other.compile("sgd", model.loss, metrics=["accuracy"], run_eagerly=True)
        other.fit(x, y, **kwargs)

    with pytest.raises(NoEpochReportedError, match="trained another model than it was given"):
        run(own_fit, digits)


def encoding(_hp: Any, model: Any, x: Any, y: Any, validation_data: Any = None, **kwargs: Any) -> Any:
    assert y.ndim == 1
    x_val, y_val = validation_data
    rows = keras.utils.to_categorical
    return model.fit(x, rows(y, 10), validation_data=(x_val, rows(y_val, 10)), **kwargs)


def encoding_without_looking(_hp: Any, model: Any, x: Any, y: Any, validation_data: Any = None, **kwargs: Any) -> Any:
    rows = keras.utils.to_categorical
    validation_data = (validation_data[0], rows(validation_data[1], 10))
    return model.fit(x, rows(y, 10), validation_data=validation_data, **kwargs)


def decoding(_hp: Any, model: Any, x: Any, y: Any, validation_data: Any = None, **kwargs: Any) -> Any:
    validation_data = (validation_data[0], np.argmax(validation_data[1], axis=1))
    return model.fit(x, np.argmax(y, axis=1), validation_data=validation_data, **kwargs)


def one_hot(_hp: Any, _images: Any) -> Any:
    return build(_hp, _images, loss="categorical_crossentropy", optimizer=keras.optimizers.SGD(0.5))


def fast(_hp: Any, _images: Any) -> Any:
    return build(_hp, _images, optimizer=keras.optimizers.SGD(0.5))


@pytest.mark.parametrize(
    ("own_fit", "builder"), [(encoding, one_hot), (encoding_without_looking, one_hot), (decoding, fast)]
)
def test_a_fit_that_makes_labels_of_its_own_is_given_the_others(
    own_fit: Any, builder: Any, digits: TrainingData
) -> None:
    done = run(own_fit, digits, build=builder)

    assert done.curve[-1][1] < done.curve[0][1], "it learns"
    assert any("makes labels of its own" in note for note in done.notes)


def test_what_fails_with_either_labels_fails_with_its_own_words(digits: TrainingData) -> None:
    def own_fit(_hp: Any, _model: Any, _x: Any, y: Any, **_: Any) -> None:
        raise ValueError(f"no good, {y.ndim}")

    with pytest.raises(ValueError, match="no good, 1"):
        run(own_fit, digits)


def test_the_study_says_which_labels_a_fit_is_given(digits: TrainingData) -> None:
    seen: list[int] = []

    def own_fit(_hp: Any, model: Any, x: Any, y: Any, **kwargs: Any) -> Any:
        seen.append(y.ndim)
        return encoding(_hp, model, x, y, **kwargs)

    done = run(own_fit, digits, build=one_hot, labels="indices")

    assert (seen, done.notes) == ([1], [])


class CountsSteps(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look on."""


def with_steps(_hp: Any, model: Any, *args: Any, callbacks: Any, **kwargs: Any) -> Any:
    return model.fit(*args, callbacks=[*callbacks, CountsSteps()], **kwargs)


def handing_on(_hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return model.fit(*args, batch_size=32, **kwargs)


def weighing(_hp: Any, model: Any, x: Any, y: Any, **kwargs: Any) -> Any:
    return model.fit(x, y, sample_weight=np.ones(len(y)), **kwargs)


def from_tf_data(_hp: Any, model: Any, x: Any, y: Any, validation_data: Any, callbacks: Any = None, **kw: Any) -> Any:
    tf = pytest.importorskip("tensorflow")
    train = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
    measured = tf.data.Dataset.from_tensor_slices(validation_data).batch(32)
    return model.fit(train, validation_data=measured, callbacks=callbacks, **kw)


@pytest.mark.parametrize(
    ("own_fit", "is_augmented"),
    [
        (handing_on, True),
        (with_steps, True),
        (in_two_calls, True),
        (recompiling, True),
        (dropping_initial_epoch, False),
        (weighing, False),
        (from_tf_data, False),
        (ignoring_loop, False),
    ],
)
def test_a_fit_trains_on_augmented_images_or_it_is_said_that_it_does_not(
    own_fit: Any, is_augmented: Any, digits: TrainingData
) -> None:
    turned = Augmentation.only(rotation=90, shift=0.3)

    augmented, plain = run(own_fit, digits, augmentation=turned), run(own_fit, digits)

    assert augmented.fitted.augmented is is_augmented
    assert plain.fitted.augmented is False
    assert (augmented.curve != plain.curve) is is_augmented
    assert any("Trained without augmentation" in note for note in augmented.notes) is not is_augmented
    assert not plain.notes


def test_mixed_images_reach_a_fit_with_callbacks_on_steps(digits: TrainingData) -> None:
    done = run(with_steps, digits, augmentation=Augmentation.only(mixup=0.4))

    assert done.fitted.augmented
    assert done.curve[-1] != run(with_steps, digits).curve[-1]


def test_a_fit_with_callbacks_on_steps_sees_the_same_augmented_images_as_one_without(digits: TrainingData) -> None:
    turned = Augmentation.only(rotation=30)

    by_keras = run(with_steps, digits, augmentation=turned, epochs=2)
    by_programs = run(handing_on, digits, augmentation=turned, epochs=2, build=build_for_programs)

    np.testing.assert_allclose(by_keras.curve, by_programs.curve, rtol=1e-3)


def scheduled(_hp: Any, _images: Any) -> Any:
    decay = keras.optimizers.schedules.ExponentialDecay(0.01, 2, 0.5)
    return build(_hp, _images, optimizer=keras.optimizers.SGD(decay))


def lowering(_hp: Any, model: Any, *args: Any, callbacks: Any, **kwargs: Any) -> Any:
    falling = keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.01 / (epoch + 1))
    return model.fit(*args, callbacks=[*callbacks, falling], **kwargs)


@pytest.mark.parametrize(
    ("own_fit", "builder", "reason", "rates"),
    [
        (None, scheduled, "a learning-rate schedule of its own", [0.005, 0.0025, 0.00125]),
        (handing_on, scheduled, "a learning-rate schedule of its own", [0.005, 0.0025, 0.00125]),
        (lowering, build, "LearningRateScheduler", [0.01, 0.005, 0.01 / 3]),
        (recompiling, build, "compiles the model anew", [0.01] * 3),
        (ignoring_loop, build, "calls no on_epoch_begin", [0.05] * 3),
    ],
)
def test_annealing_gives_way_to_a_schedule_of_ones_own_and_it_is_said(
    own_fit: Any, builder: Any, reason: str, rates: list[float], digits: TrainingData
) -> None:
    done = run(own_fit, digits, build=builder, annealing=Annealing(rule="cosine", warmup_epochs=1))

    assert [epoch.learning_rate for epoch in done.fitted.epochs] == pytest.approx(rates, rel=1e-3)
    assert [note for note in done.notes if "Trained without the cosine annealing" in note and reason in note]


class OwnFitModel(keras.Sequential):
    """A model whose class has a `fit` that reads its validation data."""

    def fit(self, *args: Any, validation_data: Any = None, **kwargs: Any) -> Any:
        x_val, _ = validation_data
        assert len(x_val) == 20
        return super().fit(*args, validation_data=validation_data, **kwargs)


def with_a_fit_of_the_model(_hp: Any, _images: Any) -> Any:
    model = OwnFitModel([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    return model


def slicing(_hp: Any, model: Any, x: Any, y: Any, validation_data: Any = None, **kwargs: Any) -> Any:
    assert validation_data is not None
    history = model.fit(x, y, validation_data=validation_data, **kwargs)
    return max(history.history["val_accuracy"])


def stopping(_hp: Any, model: Any, *args: Any, callbacks: Any, **kwargs: Any) -> Any:
    stop = keras.callbacks.EarlyStopping("val_accuracy", patience=1, restore_best_weights=True)
    return model.fit(*args, callbacks=[*callbacks, stop], **kwargs)


@pytest.mark.parametrize(
    ("own_fit", "builder", "is_own"),
    [
        (slicing, build, True),
        (ignoring_loop, build, True),
        (from_tf_data, build, True),
        (stopping, build, True),
        (handing_on, build, True),
        (None, with_a_fit_of_the_model, True),
        (None, build, False),
    ],
)
def test_a_fit_of_ones_own_always_has_images_to_validate_on(
    own_fit: Any, builder: Any, is_own: Any, digits: TrainingData
) -> None:
    everything = LabelledImages(
        images=np.concatenate([digits.train.images, digits.validation.images]),
        labels=np.concatenate([digits.train.labels, digits.validation.labels]),
        class_names=digits.train.class_names,
    )

    done = run(
        own_fit,
        TrainingData(train=everything, validation=None),
        build=builder,
        data_for_own_fit=lambda: digits,
    )

    assert all((epoch.val_accuracy is not None) is is_own for epoch in done.fitted.epochs)
