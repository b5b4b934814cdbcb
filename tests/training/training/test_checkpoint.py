import json
import logging
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_models import RESUME_PLAN, build_cnn, run_resumable

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStore
from tuner.training.checkpoint import Checkpoint, Snapshot, fingerprint
from tuner.training.history import EpochResult
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.run import train
from tuner.training.session import seed_everything

SCRIPT = Path(__file__).with_name("small_models.py")


def test_a_killed_run_resumed_in_a_new_process_is_bit_for_bit_the_undisturbed_one(tmp_path: Path) -> None:
    def run(die_after: int) -> Any:
        arguments = [tmp_path / "killed", str(die_after), tmp_path / "state.npz"]
        return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)

    killed = run(die_after=2)
    resumed = run(die_after=0)
    state = []
    expected = run_resumable(str(tmp_path / "undisturbed"), final_state=state)

    assert killed.returncode == 9, killed.stderr
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout) == expected
    assert len({epoch["learning_rate"] for epoch in expected}) > 1, "the plateau must have lowered the rate"
    with np.load(tmp_path / "state.npz") as arrays:
        for index, array in enumerate(state):
            np.testing.assert_array_equal(arrays[f"arr_{index}"], array)


@pytest.fixture
def half_run(digits: TrainingData, tmp_path: Path) -> Any:
    """A folder with the checkpoints of epochs 1 and 2 of 3, and the plan."""
    plan = TrainingPlan(epochs=3, batch_size=64, seed=1)

    class StopError(Exception):
        pass

    def stop(result: EpochResult) -> None:
        if result.epoch == 2:
            raise StopError

    seed_everything(0)
    with pytest.raises(StopError):
        train(build_cnn(), digits, plan, on_epoch=stop, checkpoint=Checkpoint(ArtifactStore(str(tmp_path)), "run"))
    return tmp_path, plan


def resume(folder: Path, plan: TrainingPlan, digits: TrainingData) -> Any:
    seed_everything(0)
    checkpoint = Checkpoint(ArtifactStore(str(folder)), "run")
    history = train(build_cnn(), digits, plan, on_epoch=lambda _: None, checkpoint=checkpoint)
    return history, [{**asdict(result), "duration_s": None} for result in history.epochs]


@pytest.mark.parametrize(("damaged", "resumed_from"), [(["even"], 1), (["odd"], 2), (["even", "odd"], 0)])
def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_then_to_the_start(
    damaged: list[str],
    resumed_from: int,
    half_run: tuple[Path, TrainingPlan],
    digits: TrainingData,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder, plan = half_run
    _, expected = resume(folder / "undisturbed", plan, digits)
    for name in damaged:
        file = folder / "run" / f"0-{name}.npz"
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)

    with caplog.at_level(logging.WARNING, logger="tuner.training"):
        history, results = resume(folder, plan, digits)

    assert history.resumed_from == resumed_from
    assert results == expected
    assert sum("Passed over the damaged checkpoint" in message for message in caplog.messages) == len(damaged)


@pytest.mark.parametrize("content", [b"", b"tuner-checkpoint 1 ", b"\x80\x04 a pickle"])
def test_a_file_of_another_kind_is_passed_over(
    content: bytes, half_run: tuple[Path, TrainingPlan], digits: TrainingData
) -> None:
    folder, plan = half_run
    for name in ("even", "odd"):
        (folder / "run" / f"0-{name}.npz").write_bytes(content)

    history, _ = resume(folder, plan, digits)

    assert history.resumed_from == 0


def test_a_checkpoint_of_another_plan_is_passed_over_with_a_warning(
    half_run: tuple[Path, TrainingPlan], digits: TrainingData, caplog: pytest.LogCaptureFixture
) -> None:
    folder, plan = half_run

    with caplog.at_level(logging.WARNING, logger="tuner.training"):
        history, _ = resume(folder, replace(plan, seed=2), digits)

    assert history.resumed_from == 0
    assert "it is of another run" in caplog.text


def test_a_finished_run_is_returned_from_its_checkpoint_without_training(
    half_run: tuple[Path, TrainingPlan], digits: TrainingData
) -> None:
    folder, plan = half_run
    _, first = resume(folder, plan, digits)

    told = []
    seed_everything(0)
    model = build_cnn()
    checkpoint = Checkpoint(ArtifactStore(str(folder)), "run")
    history = train(model, digits, plan, on_epoch=told.append, checkpoint=checkpoint)

    assert history.resumed_from == 3
    assert tuple(told) == history.epochs
    assert [{**asdict(result), "duration_s": None} for result in history.epochs] == first


def test_two_checkpoints_are_kept_and_both_are_deleted(
    half_run: tuple[Path, TrainingPlan], digits: TrainingData
) -> None:
    folder, plan = half_run
    resume(folder, plan, digits)
    files = sorted(file.name for file in (folder / "run").iterdir())

    checkpoint = Checkpoint(ArtifactStore(str(folder)), "run")
    checkpoint.delete()
    checkpoint.delete()

    assert files == ["0-even.npz", "0-odd.npz"]
    assert not (folder / "run").exists()


def test_layer_names_do_not_matter_but_shapes_do(digits: TrainingData) -> None:
    plan = replace(RESUME_PLAN, epochs=9)
    first, second = build_cnn(), build_cnn()
    wider = keras.Sequential([keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(11)])
    wider.compile("adam", "mse")
    for model in (first, second, wider):
        model.optimizer.build(model.trainable_variables)

    assert fingerprint(first, digits, plan) == fingerprint(second, digits, plan)
    assert fingerprint(first, digits, plan) != fingerprint(wider, digits, plan)
    assert fingerprint(first, digits, plan) != fingerprint(first, digits, RESUME_PLAN)


def test_a_store_that_refuses_is_told_at_the_next_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    checkpoint = Checkpoint(ArtifactStore(str(tmp_path / "file")), "run")
    snapshot = Snapshot(fingerprint="", epochs=(), logs=(), annealing_state={}, model=(), optimizer=())

    checkpoint.write(snapshot)

    with pytest.raises(ArtifactNotWrittenError, match="Could not write"):
        checkpoint.write(snapshot)
