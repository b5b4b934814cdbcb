from dataclasses import asdict, replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from small_models import build_cnn, build_mlp

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch
from tuner.training.checkpoint import Checkpoint
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs import cache, xla
from tuner.training.programs.xla import is_faster_with_xla
from tuner.training.session import PROGRAMS
from tuner.training.train import train
from tuner.training_settings import Annealing, Augmentation

#: 8 steps an epoch.
PLAN = TrainingPlan(epochs=1000, batch_size=32, seed=1, annealing=Annealing(rule="one-cycle"))
SHORT = replace(PLAN, epochs=4)


class Stopped(Exception):  # noqa: N818 - it is no error
    """Ends a run from within."""


@pytest.fixture
def _even_short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xla, "FEWEST_STEPS", 0)


@pytest.mark.parametrize(
    ("hidden", "changes", "expected"),
    [
        ([], {}, True),
        ([layers.BatchNormalization(), layers.ReLU()], {"batch_size": 64, "epochs": 2000}, True),
        ([layers.Dropout(0.2)], {}, False),
        ([layers.Dense(8, dtype="mixed_bfloat16", name="half")], {}, False),
        ([], {"batch_size": 129, "epochs": 10_000}, False),
        ([], {"augmentation": Augmentation.only(rotation=10)}, False),
    ],
)
def test_xla_compiles_the_epochs_of_dense_nets_with_small_batches(
    hidden: list[keras.Layer], changes: dict[str, Any], *, expected: bool, digits: TrainingData
) -> None:
    assert is_faster_with_xla(build_mlp(*hidden), digits, replace(PLAN, **changes)) == expected


def test_xla_compiles_no_epoch_with_convolutions(digits: TrainingData) -> None:
    assert not is_faster_with_xla(build_cnn(), digits, PLAN)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX compiles its steps by XLA anyway")
def test_short_runs_are_not_worth_compiling(digits: TrainingData) -> None:
    assert is_faster_with_xla(build_mlp(), digits, replace(PLAN, epochs=625))
    assert not is_faster_with_xla(build_mlp(), digits, replace(PLAN, epochs=624))
    assert is_faster_with_xla(build_mlp(), digits, replace(PLAN, epochs=125, n_models=5))


@pytest.mark.usefixtures("_even_short_runs")
def test_a_run_compiled_by_xla_learns_as_one_of_single_steps(
    digits: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losses() -> list[Any]:
        PROGRAMS.clear()
        keras.utils.set_random_seed(0)
        model = build_mlp(weighted_metrics=["accuracy"])
        return [
            (result.loss, result.val_loss) for result in train(model, digits, SHORT, on_epoch=lambda _: None).epochs
        ]

    compiled = losses()
    was_compiled = PROGRAMS._last is not None and PROGRAMS._last.constants.xla_epoch
    monkeypatch.setattr(cache, "is_faster_with_xla", lambda *_: False)

    np.testing.assert_allclose(compiled, losses(), rtol=1e-4)
    assert was_compiled


@pytest.mark.usefixtures("_even_short_runs")
def test_a_run_compiled_by_xla_goes_on_bit_for_bit_after_a_stop(digits: TrainingData, tmp_path: Any) -> None:
    def run(checkpoint: Checkpoint, on_epoch: Any) -> list[Any]:
        PROGRAMS.clear()
        keras.utils.set_random_seed(0)
        history = train(build_mlp(), digits, SHORT, on_epoch=on_epoch, checkpoint=checkpoint)
        return [{**asdict(result), "duration_s": None} for result in history.epochs]

    def stop_after_2(result: Epoch) -> None:
        if result.epoch == 2:
            raise Stopped

    store = ArtifactStore(str(tmp_path))
    whole = run(Checkpoint(store, "whole"), lambda _: None)
    with pytest.raises(Stopped):
        run(Checkpoint(store, "stopped"), stop_after_2)

    assert run(Checkpoint(store, "stopped"), lambda _: None) == whole
