"""What training promises, on a GPU. `make gpu-test` runs it, on the backend that KERAS_BACKEND names."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

from tuner.artifacts import ArtifactStore
from tuner.datasets.images import LabelledImages
from tuner.epochs import Epoch
from tuner.training.checkpoint import Checkpoint
from tuner.training.devices import DeviceMemoryError, list_devices
from tuner.training.history import TrainingHistory
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.session import PROGRAMS, release_memory, seed_everything
from tuner.training.train import train
from tuner.training_settings import Augmentation

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]

PLAN = TrainingPlan(epochs=4, batch_size=64, seed=3, augmentation=Augmentation.only(rotation=10, shift=0.1))


def digits() -> TrainingData:
    """scikit-learn's real digits, 8x8: 1,500 to learn from, 297 to measure on."""
    bunch = load_digits()
    images, labels = (bunch.images / 16 * 255).astype(np.uint8)[..., None], bunch.target
    names = tuple("0123456789")
    return TrainingData(
        train=LabelledImages(images=images[:1500], labels=labels[:1500], class_names=names),
        validation=LabelledImages(images=images[1500:], labels=labels[1500:], class_names=names),
    )


def build_cnn(width: int = 16) -> keras.Model:
    """Convolution, batch normalization, dropout: what a GPU computes in an order of its own."""
    inputs = layers.Input((8, 8, 1))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(width, 3, use_bias=False)(inputs)))
    x = layers.Dropout(0.2)(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax", dtype="float32")(x))
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def run(model: keras.Model, plan: TrainingPlan = PLAN, **arguments: Any) -> TrainingHistory:
    """Train on digits."""
    return train(model, digits(), plan, **{"on_epoch": lambda _: None, **arguments})


@pytest.fixture(autouse=True)
def _fresh() -> None:
    PROGRAMS.clear()
    release_memory()
    seed_everything(7)


def test_the_backend_trains_on_the_gpu() -> None:
    assert "gpu:0" in list_devices()


def test_a_net_learns_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise StoppedError

    checkpoint = Checkpoint(ArtifactStore(str(tmp_path)), "run")
    plan = replace(PLAN, epochs=8)
    with pytest.raises(StoppedError):
        run(build_cnn(), plan, checkpoint=checkpoint, on_epoch=stop)
    history = run(build_cnn(), plan, checkpoint=checkpoint)

    assert history.resumed_from == 2
    assert (history.epochs[-1].val_accuracy or 0) > 0.85


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns(policy: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        history = run(build_cnn(), replace(PLAN, epochs=8))
    finally:
        keras.config.set_dtype_policy(before)

    assert (history.epochs[-1].val_accuracy or 0) > 0.85


def test_a_model_beyond_the_memory_is_an_error_of_its_own_and_the_next_one_trains() -> None:
    inputs = layers.Input((8, 8, 1))
    # Each image has 64 maps of 4,096 by 4,096 pixels: 275 GB a batch.
    x = layers.Conv2D(64, 3, padding="same")(layers.UpSampling2D(512)(inputs))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with pytest.raises(DeviceMemoryError):
        run(model, replace(PLAN, augmentation=None))
    release_memory()

    assert len(run(build_cnn()).epochs) == PLAN.epochs


def test_members_of_a_population_come_to_what_they_come_to_alone() -> None:
    if keras.backend.backend() != "jax":
        pytest.skip("populations are programs of JAX")
    from tuner.training.populations.train import Member, train_population

    def member(seed: int) -> Member:
        # Names of layers count from one again.
        release_memory()
        seed_everything(seed)
        return Member(model=build_cnn(), plan=replace(PLAN, seed=seed), on_epoch=lambda _: None)

    together = train_population([member(seed) for seed in range(4)], digits())

    for seed, history in enumerate(together):
        alone = member(seed)
        assert isinstance(history, TrainingHistory)
        expected = run(alone.model, alone.plan)
        # A GPU rounds products to ten bits, in an order that depends on the shape.
        assert history.epochs[0].loss == pytest.approx(expected.epochs[0].loss, rel=0.02)
        assert history.epochs[-1].val_accuracy == pytest.approx(expected.epochs[-1].val_accuracy, abs=0.1)


def _python(code: Sequence[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


_TRAIN_TWICE = """
from test_training_on_gpu import *
losses = []
for _ in range(2):
    PROGRAMS.clear(); release_memory(); seed_everything(7)
    losses.append([(epoch.loss, epoch.val_loss) for epoch in run(build_cnn(width=64)).epochs])
print("same" if losses[0] == losses[1] else f"other: {losses}")
"""


def test_with_xlas_flag_two_runs_are_equal_bit_for_bit() -> None:
    here = str(Path(__file__).parent)
    environment = {
        "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]),
        "XLA_FLAGS": "--xla_gpu_deterministic_ops=true",
        "TF_DETERMINISTIC_OPS": "1",
    }

    assert _python(["-c", _TRAIN_TWICE], environment).strip() == "same"


def _tuner(folder: Path, *words: str) -> str:
    return _python(
        ["-m", "tuner", *words],
        {
            "TUNER_STORAGE": f"sqlite:///{folder}/tuner.db",
            "TUNER_ARTIFACTS": str(folder / "artifacts"),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
        },
    )


def _trials(folder: Path) -> list[dict[str, Any]]:
    _tuner(folder, "study", "export", "s", "--to", str(folder / "trials.json"))
    trials: list[dict[str, Any]] = json.loads((folder / "trials.json").read_text())
    return trials


def test_workers_share_the_gpu_and_a_configuration_beyond_its_memory_is_infeasible(tmp_path: Path) -> None:
    grid = ["--sampler", "grid", "--trials", "2", "--set", "search.pruner=none", "--set", "finals.top=0"]
    create = ["study", "create", "--space", "wide_nets:build", "--dataset", "digits", "--name", "s", "--epochs", "2"]
    _tuner(tmp_path, *create, *grid, "--no-check")
    _tuner(tmp_path, "workers", "--until-done", "--per-gpu", "2")

    trials = {trial["hyperparameters"]["width"]: trial for trial in _trials(tmp_path)}
    assert trials[32]["state"] == "complete"
    assert trials[400_000_000]["state"] == "failed"
    assert "too little memory" in json.dumps(trials[400_000_000])


def test_a_killed_workers_trial_goes_on(tmp_path: Path) -> None:
    create = ["study", "create", "--space", "cnn", "--dataset", "digits", "--name", "s", "--trials", "2"]
    _tuner(tmp_path, *create, "--epochs", "40", "--set", "finals.top=0", "--set", "search.pruner=none", "--no-check")
    environment = {
        **os.environ,
        "TUNER_STORAGE": f"sqlite:///{tmp_path}/tuner.db",
        "TUNER_ARTIFACTS": str(tmp_path / "artifacts"),
    }
    pool = subprocess.Popen(
        [sys.executable, "-m", "tuner", "workers", "--until-done"], env=environment, start_new_session=True
    )
    _wait_for(lambda: any(len(trial.get("curve") or ()) >= 3 for trial in _trials(tmp_path)))
    os.killpg(pool.pid, signal.SIGKILL)
    pool.wait()
    _tuner(tmp_path, "workers", "--until-done")

    assert [trial["state"] for trial in _trials(tmp_path)] == ["complete", "complete"]


def _wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.5)
