"""Images that go to the device chunk by chunk train as those that stay there."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_models import build_cnn, build_mlp

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch
from tuner.training import own_fit
from tuner.training.checkpoint import Checkpoint
from tuner.training.own_fit import ManyImagesError, OwnFit
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs import feeding, xla
from tuner.training.programs.cache import ImagesOnDevice, ProgramCache
from tuner.training.scoring import Scoring, Scorings
from tuner.training.session import seed_everything
from tuner.training.train import train
from tuner.training.variables import read_variable
from tuner.training_settings import Annealing, Augmentation, Training

#: 250 training images: 8 steps of 32, the last with 26 images.
PLAN = TrainingPlan(epochs=3, batch_size=32, seed=1)
AUGMENTED = replace(
    PLAN,
    augmentation=Augmentation.only(rotation=10, elastic=0.05, mixup=0.2),
    annealing=Annealing(rule="cosine"),
    training=Training(class_weights="balanced"),
)


def run(
    data: TrainingData, plan: TrainingPlan, build: Callable[[], keras.Model], *, images: ImagesOnDevice, **options: Any
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Train a fresh model; return its curve and what model and optimizer hold in the end."""
    seed_everything(5)
    model = build()
    options = {"on_epoch": lambda _: None, "programs": ProgramCache(images=images), **options}
    history = train(model, data, plan, **options)
    state = [read_variable(variable) for variable in (*model.variables, *model.optimizer.variables)]
    return [{**asdict(result), "duration_s": None} for result in history.epochs], state


def assert_equal(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    assert one[0] == other[0]
    for mine, his in zip(one[1], other[1], strict=True):
        np.testing.assert_array_equal(mine, his)


def build_own_cnn() -> keras.Model:
    return build_cnn(dropout=0.3, optimizer=keras.optimizers.Adam(0.01))


def mean_log(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return float(np.log(probabilities[np.arange(len(labels)), labels] + 1e-6).mean())


MEAN_LOG = Scorings(leading=Scoring(name="own", function=mean_log))
#: Name → plan, builder, and steps of a chunk: 3 make chunks of 3, 3 and 2 steps, 7 leave the partial batch alone.
CASES: dict[str, tuple[TrainingPlan, Callable[[], keras.Model], int]] = {
    "mlp": (PLAN, build_mlp, 3),
    "mlp by xla": (PLAN, build_mlp, 3),
    "augmented cnn": (AUGMENTED, build_own_cnn, 7),
}


@cache
def run_resident(case: str, digits: TrainingData) -> tuple[list[dict[str, Any]], list[Any]]:
    plan, build, _ = CASES[case]
    return run(digits, plan, build, images="resident", scoring=MEAN_LOG)


@pytest.mark.parametrize("case", CASES)
def test_a_streamed_epoch_is_the_resident_one_bit_for_bit(
    case: str, digits: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, build, n_steps = CASES[case]
    monkeypatch.setattr(xla, "FEWEST_STEPS", 0 if case == "mlp by xla" else 2**31)
    monkeypatch.setattr(feeding, "CHUNK_BYTES", n_steps * 32 * 64)

    streamed = run(digits, plan, build, images="streamed", scoring=MEAN_LOG)

    assert_equal(streamed, run_resident(case, digits))


def test_a_fit_of_ones_own_is_refused_images_that_do_not_fit_into_memory_as_floats(
    digits: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_fit, "free_memory_bytes", lambda: 350 * 64 * 4 - 1)

    with pytest.raises(ManyImagesError, match=r"takes 0\.0 GiB, and 0\.0 GiB of memory are free\. Leave `fit` out"):
        run(
            digits, PLAN, build_mlp, images="auto", own_fit=OwnFit(function=lambda *_, **__: None, hyperparameters=None)
        )


def test_a_run_that_was_streamed_goes_on_where_images_are_resident_and_the_other_way_round(
    digits: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "CHUNK_BYTES", 3 * 32 * 64)
    plan, build, _ = CASES["augmented cnn"]
    options = {
        "checkpoint": Checkpoint(ArtifactStore(str(tmp_path)), "run"),
        "scoring": MEAN_LOG,
    }

    def die(result: Epoch) -> None:
        if result.epoch == len(died_after):
            raise KeyboardInterrupt

    died_after: list[ImagesOnDevice] = []
    for images in ("streamed", "resident"):
        died_after.append(images)
        with pytest.raises(KeyboardInterrupt):
            run(digits, plan, build, images=images, on_epoch=die, **options)

    assert_equal(run(digits, plan, build, images="streamed", **options), run_resident("augmented cnn", digits))
