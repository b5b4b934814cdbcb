"""Workers on a real Ray cluster: actors, a node and the driver are killed, and nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cluster.ray_cluster import RayCluster, running_cluster
from support.postgres import PostgresServer

from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.fleet import WorkerRecord, read_workers
from tuner.studies.records.reading import load_study

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

_N_TRIALS, _N_EPOCHS = 6, 200
_BUILDER = """
import keras

def build(hp):
    units = hp.Int("units", 8, 32)
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(units), keras.layers.Softmax()]
    model = keras.Sequential([*layers[:-1], keras.layers.Dense(10), layers[-1]])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A folder with a builder of one's own, and the cluster that trains it."""

    folder: Path
    storage_url: str
    cluster: RayCluster

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command of tuner's in the folder."""
        environment = {
            **os.environ,
            "TUNER_STORAGE": self.storage_url,
            "TUNER_ARTIFACTS": str(self.folder / "artifacts"),
            "TUNER_HOME": str(self.folder / "home"),
            "TUNER_LEASE_S": "10",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "tuner", *words],
            cwd=self.folder,
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command; return its exit status and what it wrote to stderr."""
        process = self.start(*words)
        _, told = process.communicate(timeout=300)
        return process.returncode, told

    def create(self, name: str, *own: str) -> None:
        """Create a study of the folder's builder, with these settings besides."""
        settings = [f"search.epochs={_N_EPOCHS}", "search.pruner=none", "finals.top=0", f"search.trials={_N_TRIALS}"]
        flags = [word for setting in (*settings, *own) for word in ("--set", setting)]
        space = ("--space", "nets:build", "--dataset", "digits")
        status, told = self.run("study", "create", *space, "--name", name, "--no-check", *flags)
        assert status == 0, told


def make_project(folder: Path, server: PostgresServer, cluster: RayCluster) -> Project:
    """Write the builder into the folder."""
    (folder / "nets.py").write_text(_BUILDER)
    return Project(folder=folder, storage_url=server.url(server.create_database()), cluster=cluster)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("project")
    with running_cluster({"TUNER_HOME": str(folder / "home")}) as cluster:
        cluster.start()
        yield make_project(folder, postgres_server, cluster)


@pytest.fixture(scope="module")
def storage(project: Project) -> Iterator[Storage]:
    with open_storage(project.storage_url) as opened:
        yield opened


def test_a_killed_actor_and_a_lost_node_cost_nothing(project: Project, storage: Storage) -> None:
    project.create("killed")
    driver = project.start("workers", "killed", "--ray", project.cluster.address, "-n", "3", "--until-done")
    _wait_until(lambda: _n_training(storage, "killed") == 3)
    before = _ids(storage, "killed")
    project.cluster.actors()[0].kill()
    # Its successor trains, which finds Keras imported, and the others go on.
    _wait_until(lambda: _n_training(storage, "killed") == 3 and len(_ids(storage, "killed") - before) == 1)
    project.cluster.kill_node(3)
    _, told = driver.communicate(timeout=600)
    assert driver.returncode == 0, told
    _assert_whole(storage, "killed")


def test_workers_outlive_their_driver_and_are_stopped_by_another(project: Project, storage: Storage) -> None:
    project.create("detached")
    status, told = project.run("workers", "detached", "--ray", project.cluster.address, "-n", "2", "--detach")
    assert status == 0, told
    _wait_until(lambda: _n_training(storage, "detached") >= 1)
    assert {worker.host.partition("@")[0][:6] for worker in _training(storage, "detached")} == {"tuner-"}
    status, told = project.run("workers", "--ray", project.cluster.address, "--stop")
    assert (status, told) == (0, "Ended 2 workers on the Ray cluster.\n")
    assert not _training(storage, "detached")
    # A driver that is killed takes its workers with it; what they trained is continued.
    driver = project.start("workers", "detached", "--ray", project.cluster.address, "-n", "2", "--until-done")
    _wait_until(lambda: _n_training(storage, "detached") >= 1)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    status, told = project.run("workers", "detached", "--ray", project.cluster.address, "-n", "2", "--until-done")
    assert status == 0, told
    _assert_whole(storage, "detached")


def test_a_head_that_is_killed_and_started_again_is_told_and_the_study_goes_on(
    project: Project, storage: Storage
) -> None:
    project.create("headless")
    driver = project.start("workers", "headless", "--ray", project.cluster.address, "-n", "2", "--until-done")
    _wait_until(lambda: _n_training(storage, "headless") >= 1)
    project.cluster.restart_head()
    _, told = driver.communicate(timeout=300)
    assert driver.returncode == 75, told
    assert "has another head node now" in told.splitlines()[-1] or "has lost its head node" in told.splitlines()[-1]
    status, told = project.run("workers", "headless", "--ray", project.cluster.address, "-n", "2", "--until-done")
    assert status == 0, told
    _assert_whole(storage, "headless")


def test_a_cluster_grows_by_nodes_for_work_alone_and_shrinks_afterwards(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with running_cluster({"TUNER_HOME": str(tmp_path / "home")}, port=6397) as cluster:
        project = make_project(tmp_path, postgres_server, cluster)
        cluster.start_growing(most_nodes=3, idle_s=5.0)
        assert cluster.n_nodes() == 1
        project.create("growing", "search.trials=2", "search.epochs=20")
        command = ["workers", "growing", "--ray", cluster.address, "-n", "5", "--until-done"]
        driver = project.start(*command, "--gpus-per-worker", "1")
        most = 1
        while driver.poll() is None:
            most = max(most, cluster.n_nodes())
            time.sleep(0.2)
        _, told = driver.communicate()

        assert driver.returncode == 0, told
        # The head and a node for each trial.
        assert most == 3
        with open_storage(project.storage_url) as storage:
            _assert_whole(storage, "growing", n_trials=2, n_epochs=20)
        _wait_until(lambda: cluster.n_nodes() == 1)


def test_what_a_cluster_cannot_do_is_one_line(project: Project) -> None:
    address = project.cluster.address
    for words, told_words in (
        (("--ray", address, "--gpus-per-worker", "1"), "No node of the Ray cluster has 1 GPUs and 1 CPUs for a "),
        (("--ray", address, "--cpus-per-worker", "2"), "nodes have at most 0 GPUs and 1 CPUs each. Ask for less"),
        (("--ray", "127.0.0.1:1"), "No Ray cluster answers at 127.0.0.1:1: "),
        (("--ray", "somewhere"), "Received the address 'somewhere'. "),
        (("--ray", address, "--storage", f"sqlite:///{project.folder}/tuner.db"), "Workers on a Ray cluster need "),
    ):
        status, told = project.run("workers", *words)
        assert (status, told.count("\n")) == (1, 1), told
        assert told_words in told


def _training(storage: Storage, study: str) -> list[WorkerRecord]:
    """Return the workers that train for the study; those of a lost node are shown as training for a minute."""
    return [worker for worker in read_workers(storage) if worker.state == "training" and worker.study == study]


def _ids(storage: Storage, study: str) -> set[str]:
    return {worker.id for worker in _training(storage, study)}


def _n_training(storage: Storage, study: str) -> int:
    return sum(worker.epoch is not None and worker.epoch > 0 for worker in _training(storage, study))


def _assert_whole(storage: Storage, name: str, *, n_trials: int = _N_TRIALS, n_epochs: int = _N_EPOCHS) -> None:
    record = load_study(storage, name)
    assert [trial.state for trial in record.trials] == ["complete"] * n_trials
    for trial in record.trials:
        assert [epoch.epoch for epoch in trial.curve] == list(range(1, n_epochs + 1))


def _wait_until(is_true: Callable[[], bool], *, timeout_s: float = 300.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "It did not come true in time."
        time.sleep(0.2)
