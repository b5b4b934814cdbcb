"""The finished folds that a job finds again, and those that are not its own."""

from pathlib import Path

import pytest

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch
from tuner.jobs.fitting.finished_folds import FinishedFolds, FinishedFoldsStore

CURVE = (Epoch(epoch=1, loss=0.5, accuracy=0.75, val_loss=None, val_accuracy=0.5, duration_s=2.0),)
ONE = FinishedFolds(curves=(CURVE,), values={"units": 8, "rate": 0.1, "norm": False}, notes=("Once.",))
TWO = FinishedFolds(curves=(CURVE, CURVE), values={"units": 8})


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path))


def store_of(artifacts: ArtifactStore, *, writer: int = 1, run: str = "s") -> FinishedFoldsStore:
    return FinishedFoldsStore(artifacts, "slot-1", writer=writer, run=[run, 0])


def test_finished_folds_read_back_as_they_were(artifacts: ArtifactStore) -> None:
    store_of(artifacts).write(ONE)

    assert store_of(artifacts, writer=2).read() == ONE


def test_a_late_writer_does_not_take_folds_away(artifacts: ArtifactStore) -> None:
    store_of(artifacts, writer=2).write(TWO)
    store_of(artifacts, writer=1).write(ONE)

    assert store_of(artifacts, writer=3).read() == TWO


def test_nothing_is_found_where_nothing_was_written(artifacts: ArtifactStore) -> None:
    artifacts.write("slot-1/fold-1/1-odd.npz", b"a checkpoint")

    assert store_of(artifacts).read() is None


def test_folds_of_another_run_are_passed_over(artifacts: ArtifactStore, caplog: pytest.LogCaptureFixture) -> None:
    store_of(artifacts, run="another").write(ONE)

    assert store_of(artifacts).read() is None
    assert "they are of another run" in caplog.text


def test_a_damaged_file_is_passed_over_for_a_whole_one(
    artifacts: ArtifactStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store_of(artifacts, writer=1).write(ONE)
    store_of(artifacts, writer=2).write(TWO)
    damaged = tmp_path / "slot-1" / "folds-2.json"
    damaged.write_bytes(damaged.read_bytes().replace(b"0.75", b"0.95", 1))

    assert store_of(artifacts, writer=3).read() == ONE
    assert "damaged file of finished folds" in caplog.text
