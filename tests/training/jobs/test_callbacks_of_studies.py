"""Callbacks that a definition names: the examples as they are, and what a preflight says of wrong ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tuner.datasets.images import LabelledImages
from tuner.jobs.fitting.callbacks import CallbackNotFoundError, NotACallbackError, make_callbacks, tried_callbacks
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.files import DefinitionError
from tuner.studies.definitions.making import make_definition
from tuner.training.callbacks import CallbackError
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.train import train

EXAMPLES = Path(__file__).parents[3] / "examples"
VALUES: Mapping[str, Any] = {"units": 16}


@pytest.fixture(autouse=True)
def _beside_the_examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setenv("TENSORBOARD_RUNS", str(tmp_path / "runs"))


@pytest.fixture(scope="module")
def images() -> TrainingData:
    rng = np.random.default_rng(0)
    drawn = LabelledImages(
        images=rng.integers(0, 256, (40, 8, 8, 1)).astype(np.uint8),
        labels=np.arange(40, dtype=np.int64) % 2,
        class_names=("0", "1"),
    )
    return TrainingData(train=drawn, validation=drawn)


def build_net() -> keras.Model:
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    return model


def define(*paths: str) -> StudyDefinition:
    return make_definition(space="mlp", dataset="digits", name="s", overrides=[f"callbacks={list(paths)}"])


def train_with(path: str, images: TrainingData) -> None:
    plan = TrainingPlan(epochs=2, batch_size=20, seed=0)
    train(build_net(), images, plan, on_epoch=lambda _: None, callbacks=tried_callbacks(define(path))(VALUES))


def test_the_example_for_tensorboard_writes_a_curve_that_tensorboard_reads(
    images: TrainingData, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_with("tensorboard_callback:StudyTensorBoard", images)

    folder = tmp_path / "runs" / "s" / "check-trial-0"
    events = EventAccumulator(str(folder / "train"), size_guidance={"tensors": 0}).Reload()
    assert len(events.Tensors("epoch_loss")) == 2


def test_the_example_for_mlflow_logs_hyperparameters_and_a_point_an_epoch(
    images: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not among the development packages")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")

    train_with("mlflow_callback:StudyMlflow", images)

    (run,) = mlflow.search_runs(experiment_names=["s"], output_format="list")
    assert run.data.params == {"units": "16"}
    assert len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "val_accuracy")) == 2


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("tensorboard_callback:Missing", CallbackNotFoundError, "Cannot open callback 'tensorboard_callback:Missing'"),
        ("no_such_module:Callback", CallbackNotFoundError, "no module named 'no_such_module'"),
        ("pathlib:Path", NotACallbackError, "pathlib:Path gave a PosixPath; expected a subclass of keras"),
        ("keras:__version__", NotACallbackError, "gave a str; expected"),
        ("keras.callbacks:LambdaCallback", None, ""),
        ("keras.callbacks:LearningRateScheduler", CallbackError, "raised TypeError in its constructor"),
    ],
)
def test_a_path_that_leads_to_no_callback_is_told_before_the_study_is_stored(
    path: str, error: type[Exception] | None, message: str
) -> None:
    if error is None:
        assert list(make_callbacks(define(path))) == [path]
        return
    with pytest.raises(error, match=message):
        make_callbacks(define(path))


def test_a_callback_is_named_by_its_module_and_name() -> None:
    with pytest.raises(
        DefinitionError, match=r"callbacks\.0: received .my_callbacks.*expected package.module:Callback"
    ):
        define("my_callbacks")
