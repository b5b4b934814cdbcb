"""Studies that are deleted and made anew under load, and databases that share one artifact store.

Training is synthetic, and shows every epoch that does not belong to its trial. Hundreds of rounds, by hand, in minutes:

    TUNER_RACE_ROUNDS=300 pytest tests/chaos/test_made_anew.py --timeout=0
"""

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from chaos.fleet import Fleet, Surroundings, Worker
from chaos.races import ROUNDS, disturbed_trials, files_in
from chaos.studies import insert_chaos_study
from tuner.artifacts import ArtifactStore
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.lifecycle import Study, delete_study, find_study

LEASE_S = 2.0
EPOCH_S = 0.05


def make(storage: Storage, *, seed: int) -> Study:
    return insert_chaos_study(storage, trials=3, epochs=4, seed=seed)


def wait_until_done(storage: Storage, fleet: Fleet, *, timeout_s: float = 60.0) -> Study:
    deadline = time.monotonic() + timeout_s
    while (study := find_study(storage, "chaos")).state != "done":
        assert time.monotonic() < deadline, "the study is not done"
        fleet.listen(0.1)
    return study


def replace_some(fleet: Fleet, workers: list[Worker], random: np.random.Generator) -> None:
    """Kill -9 one of the workers now and then, and start another one in its place."""
    if random.random() < 0.3:
        fallen = workers.pop(int(random.integers(len(workers))))
        fallen.send(signal.SIGKILL)
        fleet.wait(fallen, 30)
        workers.append(fleet.start(fallen.surroundings))


@pytest.mark.timeout(0 if ROUNDS > 20 else 300)
def test_a_study_made_anew_under_load_has_nothing_of_the_one_that_was_deleted(
    storage_url: str, fleet: Fleet, tmp_path: Path
) -> None:
    random = np.random.default_rng(ROUNDS)
    surroundings = Surroundings(
        storage=storage_url, folder=tmp_path, studies=[], lease_s=LEASE_S, epoch_s=EPOCH_S, until_done=False
    )
    wrong: list[str] = []
    with open_storage(storage_url, patience_s=30) as storage:
        study = make(storage, seed=0)
        workers = [fleet.start(surroundings) for _ in range(2)]
        for round_number in range(1, ROUNDS + 1):
            time.sleep(random.uniform(0.05, 1.0))
            replace_some(fleet, workers, random)
            wrong += disturbed_trials(storage, study)
            delete_study(storage, study)
            ArtifactStore(str(surroundings.artifacts)).delete(study.folder)
            study = make(storage, seed=round_number)
        wrong += disturbed_trials(storage, wait_until_done(storage, fleet))
        alive = [worker.status for worker in workers]
        for worker in workers:
            worker.send(signal.SIGTERM)
        statuses = [fleet.wait(worker, 30) for worker in workers]

    assert wrong == []
    assert alive == [None] * len(workers), "\n".join(worker.log for worker in workers)
    assert statuses == [143] * len(workers)
    assert not any("Traceback" in worker.log or "is away" in worker.log for worker in workers)
    # Of a worker that was killed while its study was deleted a checkpoint may be left, which `tuner gc` removes.
    assert [path for path in files_in(surroundings.artifacts) if study.folder in str(path)] == []


@pytest.mark.timeout(0 if ROUNDS > 20 else 300)
def test_a_database_that_is_removed_and_made_anew_takes_over_no_checkpoint(
    sqlite_url: str, fleet: Fleet, tmp_path: Path
) -> None:
    surroundings = Surroundings(
        storage=sqlite_url, folder=tmp_path / "workers", studies=["chaos"], lease_s=LEASE_S, epoch_s=EPOCH_S
    )
    wrong: list[str] = []
    for seed in range(1 + ROUNDS // 3):
        with open_storage(sqlite_url) as storage:
            make(storage, seed=2 * seed)
        worker = fleet.start(surroundings)
        while not any(entry.event == "stored" for entry in worker.entries):
            fleet.listen(0.02)
        worker.send(signal.SIGKILL)
        fleet.wait(worker, 30)
        for file in tmp_path.glob("tuner.db*"):
            file.unlink()

        with open_storage(sqlite_url) as storage:
            make(storage, seed=2 * seed + 1)
            second = fleet.start(surroundings)
            assert fleet.wait(second, 60) == 0, second.log
            wrong += disturbed_trials(storage, find_study(storage, "chaos"))
        for file in tmp_path.glob("tuner.db*"):
            file.unlink()

    assert wrong == []


def test_two_databases_share_an_artifact_store_without_meeting(fleet: Fleet, tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("first", "second")]
    workers = []
    for seed, url in enumerate(urls):
        with open_storage(url) as storage:
            make(storage, seed=seed)
        surroundings = Surroundings(
            storage=url, folder=tmp_path / "shared", studies=["chaos"], lease_s=LEASE_S, epoch_s=EPOCH_S
        )
        workers.append(fleet.start(surroundings))

    statuses = [fleet.wait(worker, 60) for worker in workers]

    assert statuses == [0, 0]
    for url in urls:
        with open_storage(url) as storage:
            study = find_study(storage, "chaos")
            assert study.state == "done"
            assert disturbed_trials(storage, study) == []
    assert files_in(tmp_path / "shared" / "artifacts") == []
