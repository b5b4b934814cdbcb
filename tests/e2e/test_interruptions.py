import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from commands import Run, start

from tuner.studies.fleet import read_workers
from tuner.studies.storage import open_storage

#: Long enough to be interrupted in the middle.
LONG = ["--set", "search.trials=2", "--set", "search.epochs=20000", "--pruner", "none", "--set", "finals.top=0"]


def wait_for_an_epoch(folder: Path) -> None:
    with open_storage(f"sqlite:///{folder}/.tuner/tuner.db") as storage:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if any((worker.epoch or 0) >= 2 for worker in read_workers(storage)):
                return
            time.sleep(0.05)
    pytest.fail("no epoch within two minutes")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", ["worker", "workers"])
def test_a_signal_frees_the_slot_and_the_trial_goes_on_later(
    run: Run, folder: Path, command: str, number: signal.Signals, status: int
) -> None:
    run("study", "create", "tiny.toml", *LONG)
    worker = start(folder, command, "tiny", "--until-done")
    wait_for_an_epoch(folder)

    worker.send_signal(number)
    worker.communicate(timeout=30)

    assert worker.returncode == status
    shown = json.loads(run("study", "show", "tiny", "--json").stdout)
    assert shown["trials"]["running"] == 0
    assert shown["trials"]["waiting"] == 2
    trial = json.loads(run("trial", "show", "tiny", "0", "--json").stdout)
    assert len(trial["curve"]) >= 2
    assert any((folder / ".tuner/artifacts/tiny/checkpoints").iterdir())


def test_a_second_interrupt_leaves_at_once(run: Run, folder: Path) -> None:
    run("study", "create", "tiny.toml", *LONG)
    worker = start(folder, "worker", "tiny")
    wait_for_an_epoch(folder)

    os.kill(worker.pid, signal.SIGSTOP)
    worker.send_signal(signal.SIGINT)
    os.kill(worker.pid, signal.SIGCONT)
    worker.send_signal(signal.SIGINT)

    worker.communicate(timeout=30)
    assert worker.returncode == 130


def test_a_stopped_study_ends_its_workers_and_resumes(run: Run, folder: Path) -> None:
    run("study", "create", "tiny.toml", *LONG)
    worker = start(folder, "workers", "tiny", "--until-done", "-n", "1")
    wait_for_an_epoch(folder)

    run("study", "stop", "tiny")
    worker.communicate(timeout=60)

    assert worker.returncode == 0
    assert json.loads(run("study", "show", "tiny", "--json").stdout)["state"] == "stopped"
    run("study", "resume", "tiny")
    assert json.loads(run("study", "show", "tiny", "--json").stdout)["state"] == "searching"


def test_a_resumed_trial_has_the_curve_of_an_undisturbed_one(run: Run, folder: Path) -> None:
    few = ["--set", "search.trials=1", "--set", "search.epochs=120", "--pruner", "none", "--set", "finals.top=0"]
    for name in ("calm", "disturbed"):
        run("study", "create", "tiny.toml", "--name", name, *few)
    run("worker", "calm", "--until-done")
    worker = start(folder, "worker", "disturbed")
    wait_for_an_epoch(folder)
    worker.send_signal(signal.SIGINT)
    worker.communicate(timeout=30)

    run("worker", "disturbed", "--until-done")

    curves = []
    for name in ("calm", "disturbed"):
        run("study", "export", name, "--to", f"{name}.json")
        (trial,) = json.loads((folder / f"{name}.json").read_text())
        curves.append(trial["curve"])
    assert len(curves[0]) == 120
    assert curves[0] == curves[1]


BREAKS_LATER = """
import keras


def build(hp):
    if hp.Int("units", 1, 1_000_000) != 1:
        raise ValueError("no such layer")
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""


def test_a_study_whose_builder_keeps_failing_stops_with_the_reason(run: Run, folder: Path) -> None:
    # The default, which creation builds, works; what is drawn does not.
    (folder / "broken.py").write_text(BREAKS_LATER)
    run("study", "create", "--space", "broken:build", "--dataset", "digits", "--name", "b", "--trials", "20")

    run("workers", "b", "--until-done", "-n", "1")

    shown = json.loads(run("study", "show", "b", "--json").stdout)
    assert shown["state"] == "stopped"
    assert shown["trials"]["failed"] == 5
    assert "no such layer" in shown["stop_reason"]
    assert shown["failures"][0]["kind"] == "builder_error"
    assert "no such layer" in run("trial", "show", "b", "1").stdout


def test_a_builder_that_fails_at_once_creates_no_study(run: Run, folder: Path) -> None:
    (folder / "broken.py").write_text("def build(hp):\n    raise ValueError('no such layer')\n")

    failed = run("study", "create", "--space", "broken:build", "--dataset", "digits", "--name", "b", status=1)

    assert "no such layer" in failed.stderr


def test_workers_end_when_their_pool_is_killed(run: Run, folder: Path) -> None:
    run("study", "create", "tiny.toml", *LONG)
    pool = start(folder, "workers", "tiny", "-n", "1")
    wait_for_an_epoch(folder)
    (worker,) = psutil.Process(pool.pid).children()

    pool.kill()

    assert worker.wait(timeout=60) in {None, 143}
    assert json.loads(run("study", "show", "tiny", "--json").stdout)["trials"]["running"] == 0
