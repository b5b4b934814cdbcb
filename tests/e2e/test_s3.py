import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import RunHere, artifacts_of, holding, let_go, start_warm
from support.s3_server import BUCKET, S3Server

from tuner.artifacts import ArtifactStore

FEW = ["--set", "search.trials=1", "--pruner", "none", "--set", "finals.top=1", "--set", "finals.repeats=1",
       "--set", "finals.candidates=1", "--set", "finals.compare_augmentation=false"]  # fmt: skip
EPOCHS = 10


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("not within two minutes")
        time.sleep(0.2)


def test_a_study_on_s3_outlives_a_killed_worker_and_an_outage_of_the_store(
    run_here: RunHere, create_tiny: Callable[..., None], folder: Path, s3_server: S3Server
) -> None:
    settings = {**s3_server.settings, "TUNER_ARTIFACTS": f"s3://{BUCKET}/team", "TUNER_LEASE_S": "2"}
    create_tiny(*FEW, "--set", f"search.epochs={EPOCHS}", *holding(folder))
    store = ArtifactStore(f"s3://{BUCKET}/team")
    killed = start_warm(folder, "worker", "tiny", settings=settings)
    checkpoints = f"{artifacts_of(folder, 'tiny').name}/checkpoints"
    wait_until(lambda: len(store.list(checkpoints)) == 2)

    killed.kill()
    worker = start_warm(folder, "worker", "tiny", "--until-done", settings=settings)
    wait_until(lambda: any("/2-" in path for path in store.list(checkpoints)))
    s3_server.stop_answering()
    let_go(folder)
    time.sleep(5)
    s3_server.start_again()
    _, messages = worker.communicate(timeout=240)

    assert worker.returncode == 0, messages
    shown = json.loads(run_here("study", "show", "tiny", "--json"))
    trial = json.loads(run_here("trial", "show", "tiny", "0", "--json"))
    assert (shown["state"], shown["trials"]["complete"], len(trial["workers"])) == ("done", 1, 2)
    assert [epoch["epoch"] for epoch in trial["curve"]] == list(range(1, EPOCHS + 1))
    assert store.exists(shown["finals"][0]["bundle"])
    assert store.list(checkpoints) == []
