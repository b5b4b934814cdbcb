import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from commands import Run, RunHere, artifacts_of, holding, let_go, start_warm

from tuner.studies.database.storage import open_storage
from tuner.studies.fleet import read_workers

#: Long enough to be interrupted in the middle.
LONG = ["--set", "search.trials=2", "--set", "search.epochs=20000", "--pruner", "none", "--set", "finals.top=0"]

EPOCHS = 8


def wait_for_an_epoch(folder: Path) -> None:
    with open_storage(f"sqlite:///{folder}/.tuner/tuner.db") as storage:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if any((worker.epoch or 0) >= 2 for worker in read_workers(storage)):
                return
            time.sleep(0.2)
    pytest.fail("no epoch within two minutes")


def test_a_signal_to_a_pool_frees_the_slot(run_here: RunHere, create_tiny: Callable[..., None], folder: Path) -> None:
    create_tiny(*LONG)
    pool = start_warm(folder, "workers", "tiny", "--until-done", "-n", "1")
    wait_for_an_epoch(folder)

    pool.terminate()
    pool.communicate(timeout=30)

    assert pool.returncode == 128 + signal.SIGTERM
    shown = json.loads(run_here("study", "show", "tiny", "--json"))
    assert shown["trials"]["running"] == 0
    assert shown["trials"]["waiting"] == 2
    trial = json.loads(run_here("trial", "show", "tiny", "0", "--json"))
    assert len(trial["curve"]) >= 2
    assert any((artifacts_of(folder, "tiny") / "checkpoints").iterdir())


def test_a_stopped_study_ends_its_workers_and_resumes(
    run_here: RunHere, create_tiny: Callable[..., None], folder: Path
) -> None:
    create_tiny(*LONG)
    worker = start_warm(folder, "worker", "tiny", "--until-done")
    wait_for_an_epoch(folder)

    run_here("study", "stop", "tiny")
    worker.communicate(timeout=60)

    assert worker.returncode == 0
    assert json.loads(run_here("study", "show", "tiny", "--json"))["state"] == "stopped"
    run_here("study", "resume", "tiny")
    assert json.loads(run_here("study", "show", "tiny", "--json"))["state"] == "searching"


def test_an_interrupted_trial_goes_on_to_the_curve_of_an_undisturbed_one(
    run: Run, run_here: RunHere, create_tiny: Callable[..., None], folder: Path
) -> None:
    few = ["--set", "search.trials=1", "--set", f"search.epochs={EPOCHS}", "--pruner", "none", "--set", "finals.top=0"]
    create_tiny("--name", "calm", *few)
    create_tiny("--name", "disturbed", *few, *holding(folder))
    worker = start_warm(folder, "worker", "disturbed", "--until-done")
    wait_for_an_epoch(folder)
    worker.send_signal(signal.SIGINT)
    let_go(folder)
    worker.communicate(timeout=30)
    shown = json.loads(run_here("study", "show", "disturbed", "--json"))
    interrupted = json.loads(run_here("trial", "show", "disturbed", "0", "--json"))["curve"]
    assert worker.returncode == 128 + signal.SIGINT
    assert (shown["trials"]["running"], shown["trials"]["waiting"]) == (0, 1)
    assert 0 < len(interrupted) < EPOCHS

    run("worker", "calm", "disturbed", "--until-done")

    curves = []
    for name in ("calm", "disturbed"):
        run_here("study", "export", name, "--to", f"{name}.json")
        (trial,) = json.loads((folder / f"{name}.json").read_text())
        curves.append(trial["curve"])
    assert len(curves[0]) == EPOCHS
    assert curves[0] == curves[1]


def test_workers_end_when_their_pool_is_killed(
    run_here: RunHere, create_tiny: Callable[..., None], folder: Path
) -> None:
    create_tiny(*LONG)
    pool = start_warm(folder, "workers", "tiny", "-n", "1")
    wait_for_an_epoch(folder)
    (worker,) = (one for one in psutil.Process(pool.pid).children(recursive=True) if "--id" in one.cmdline())

    pool.kill()

    assert worker.wait(timeout=60) in {None, 143}
    assert json.loads(run_here("study", "show", "tiny", "--json"))["trials"]["running"] == 0
