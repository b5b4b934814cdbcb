import errno
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

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStore, ArtifactStoreAwayError
from tuner.epochs import Epoch
from tuner.training.checkpoint import Checkpoint, Snapshot, fingerprint
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.session import seed_everything
from tuner.training.train import train

pytestmark = pytest.mark.usefixtures("kernels_stay")

SCRIPT = Path(__file__).with_name("small_models.py")


def test_a_run_that_was_killed_in_another_process_is_resumed_to_bit_for_bit_the_undisturbed_one(
    tmp_path: Path,
) -> None:
    state: list[Any] = []
    expected_state: list[Any] = []
    killed = subprocess.run([sys.executable, SCRIPT, tmp_path / "killed"], capture_output=True, text=True, check=False)

    resumed = run_resumable(str(tmp_path / "killed"), final_state=state)
    expected = run_resumable(str(tmp_path / "undisturbed"), final_state=expected_state)

    assert killed.returncode == 9, killed.stderr
    assert resumed == expected
    assert len({epoch["learning_rate"] for epoch in expected}) > 1, "the plateau must have lowered the rate"
    for array, expected_array in zip(state, expected_state, strict=True):
        np.testing.assert_array_equal(array, expected_array)


@pytest.fixture
def half_run(digits: TrainingData, tmp_path: Path) -> Any:
    """A folder with the checkpoints of epochs 1 and 2 of 3, and the plan."""
    plan = TrainingPlan(epochs=3, batch_size=64, seed=1)

    class StopError(Exception):
        pass

    def stop(result: Epoch) -> None:
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


def a_snapshot(n_epochs: int) -> Snapshot:
    epochs = tuple(
        Epoch(epoch=number, loss=1.0, accuracy=0.5, val_loss=1.0, val_accuracy=0.5, learning_rate=0.1, duration_s=1.0)
        for number in range(1, n_epochs + 1)
    )
    return Snapshot(fingerprint="f", epochs=epochs, logs=({},) * n_epochs, annealing_state={}, model=(), optimizer=())


def store(folder: Path, n_epochs: int, *, run: list[Any], values: dict[str, Any]) -> None:
    checkpoint = Checkpoint(ArtifactStore(str(folder)), "run", run=run)
    checkpoint.narrow(values)
    for epoch in range(1, n_epochs + 1):
        checkpoint.write(a_snapshot(epoch))
    checkpoint.flush()


def read_epochs(folder: Path, *, run: list[Any], values: dict[str, Any]) -> int | None:
    checkpoint = Checkpoint(ArtifactStore(str(folder)), "run", run=run)
    checkpoint.narrow(values)
    snapshot = checkpoint.read("f")
    return None if snapshot is None else len(snapshot.epochs)


@pytest.mark.parametrize(
    ("run", "values", "found"),
    [
        (["uid-1", "search", 0, "data-1"], {"units": 8, "rate": 0.1}, 2),
        (["uid-2", "search", 0, "data-1"], {"units": 8, "rate": 0.1}, None),
        (["uid-1", "search", 1, "data-1"], {"units": 8, "rate": 0.1}, None),
        (["uid-1", "search", 0, "data-2"], {"units": 8, "rate": 0.1}, None),
        (["uid-1", "search", 0, "data-1"], {"units": 8, "rate": 0.2}, None),
        (["uid-1", "search", 0, "data-1"], {"units": 8}, None),
    ],
)
def test_a_checkpoint_is_taken_by_its_own_run_and_configuration_alone(
    run: list[Any], values: dict[str, Any], found: int | None, tmp_path: Path
) -> None:
    store(tmp_path, 2, run=["uid-1", "search", 0, "data-1"], values={"rate": 0.1, "units": 8})

    assert read_epochs(tmp_path, run=run, values=values) == found


@pytest.mark.parametrize(("unreadable", "found"), [(["odd"], 2), (["even"], 3), (["odd", "even"], None)])
def test_a_checkpoint_that_cannot_be_read_is_passed_over_like_a_damaged_one(
    unreadable: list[str], found: int | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store(tmp_path, 3, run=["uid"], values={})
    for name in unreadable:
        file = tmp_path / "run" / f"0-{name}.npz"
        file.unlink()
        # It is there and has no byte that could be read.
        file.symlink_to("/proc/self/mem")

    with caplog.at_level(logging.WARNING, logger="tuner.training"):
        epochs = read_epochs(tmp_path, run=["uid"], values={})

    assert epochs == found
    assert caplog.text.count("cannot be read: Invalid argument") == len(unreadable)


def test_folders_and_broken_links_in_the_place_of_checkpoints_are_passed_over(tmp_path: Path) -> None:
    store(tmp_path, 2, run=["uid"], values={})
    (tmp_path / "run" / "0-even.npz").unlink()
    (tmp_path / "run" / "0-even.npz").mkdir()
    (tmp_path / "run" / "1-odd.npz").symlink_to(tmp_path / "run" / "1-odd.npz")
    (tmp_path / "run" / "2-odd.npz").symlink_to("nowhere")

    assert read_epochs(tmp_path, run=["uid"], values={}) == 1


def test_a_store_that_is_away_as_a_whole_is_no_reason_to_begin_anew(tmp_path: Path) -> None:
    store(tmp_path / "folder", 2, run=["uid"], values={})
    artifacts = ArtifactStore(str(tmp_path / "folder"))
    away = OSError(errno.ESTALE, "Stale file handle")
    artifacts.refuse_if_away(away)
    (tmp_path / "folder").rename(tmp_path / "elsewhere")
    (tmp_path / "folder").symlink_to(tmp_path / "folder")

    with pytest.raises(ArtifactStoreAwayError, match="Stale file handle"):
        artifacts.refuse_if_away(away)


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

    def build(units: int) -> keras.Model:
        model = keras.Sequential([keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(units)])
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
        return model

    first, second, wider = build(10), build(10), build(11)
    assert first.layers[-1].name != second.layers[-1].name

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
