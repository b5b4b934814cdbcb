import os
import time
from collections.abc import Callable
from pathlib import Path

from commands import Run, RunHere, artifacts_of


def test_gc_removes_what_no_study_refers_to_and_nothing_else(
    run: Run, run_here: RunHere, create_tiny: Callable[..., None], folder: Path
) -> None:
    few = ("search.trials=1", "search.epochs=1", "finals.top=1", "finals.epochs=1", "finals.compare_augmentation=false")
    create_tiny(*[word for setting in few for word in ("--set", setting)])
    run("worker", "tiny", "--until-done")
    artifacts = folder / ".tuner/artifacts"
    kept = {path for path in artifacts.rglob("*") if path.is_file()}
    tiny = artifacts_of(folder, "tiny").name
    for orphan in (f"{tiny}/checkpoints/slot-1/3-odd.npz", "gone/finals/trial-1-repeat-1.bundle"):
        (artifacts / orphan).parent.mkdir(parents=True, exist_ok=True)
        (artifacts / orphan).write_bytes(b"left behind")

    would = run_here("gc", "--dry-run")
    removed = run_here("gc")

    assert would.count("Would remove") == removed.count("Removed") == 2
    assert {path for path in artifacts.rglob("*") if path.is_file()} == kept
    assert kept


def test_gc_removes_what_was_never_written_to_its_end_and_leaves_what_is_being_written(
    run_here: RunHere, create_tiny: Callable[..., None], folder: Path
) -> None:
    create_tiny()
    tiny = artifacts_of(folder, "tiny")
    writing, abandoned = (tiny / f".3-odd.npz.{name}.partial" for name in ("now", "long-ago"))
    writing.parent.mkdir(parents=True)
    for path in (writing, abandoned):
        path.write_bytes(b"half")
    two_hours_ago = time.time() - 2 * 3600
    os.utime(abandoned, (two_hours_ago, two_hours_ago))

    removed = run_here("gc")

    assert removed.count("Removed") == 1
    assert writing.exists()
    assert not abandoned.exists()
