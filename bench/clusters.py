"""What a death costs on a Ray cluster: from the kill of an actor, or of its worker, to the next trained epoch.

    PYTHONPATH=tests python bench/clusters.py [--rounds 5] [--actors 1] [--quick]

A real cluster of three nodes on this machine's loopback addresses, a Postgres of its own, a dense net for digits, and
`tuner workers --ray`. A death is over when the trial that it hit has an epoch more, by another worker. Seconds of the
clock; and those of the processor that the new actor and its worker have used by then, both together.
Prints a line for each and writes `bench/results/clusters.json`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import sqlalchemy as sa
from cluster.ray_cluster import RayCluster, running_cluster
from machine import RESULTS, describe_machine
from support.postgres import running_server

from tuner.studies.database.schema import slots
from tuner.studies.database.storage import Storage, open_storage

#: Seconds between two looks, and for what is waited for at most.
_LOOK_S, _LIMIT_S = 0.02, 120.0
_NET = """
import keras

def build(hp):
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(hp.Int("units", 8, 32))]
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""


def main() -> None:
    """Kill in turns, print each, write the JSON."""
    parser = argparse.ArgumentParser(description="What a death costs on a Ray cluster.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--actors", type=int, default=1, help="that train at the same time")
    parser.add_argument("--quick", action="store_true", help="one round: a look, no result")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    # Ray makes sockets below it, whose paths are short.
    with running_server() as server, tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        environment = {
            "TUNER_STORAGE": server.url(server.create_database()),
            "TUNER_ARTIFACTS": str(folder / "artifacts"),
            "TUNER_HOME": str(folder / "home"),
        }
        (folder / "nets.py").write_text(_NET)
        with running_cluster(environment) as cluster, open_storage(environment["TUNER_STORAGE"]) as storage:
            cluster.start()
            rows = measure(cluster, storage, folder, environment, rounds=rounds, n_actors=arguments.actors)
    if not arguments.quick:
        result = {"machine": describe_machine(), "actors": arguments.actors, "rows": rows}
        (RESULTS / "clusters.json").write_text(json.dumps(result, indent=1) + "\n")


def measure(
    cluster: RayCluster, storage: Storage, folder: Path, environment: dict[str, str], *, rounds: int, n_actors: int
) -> list[dict[str, object]]:
    """Let workers train without end, and kill actors and workers in turns."""
    trials = ["--trials", str(n_actors), "--epochs", "100000", "--pruner", "none", "--set", "finals.top=0"]
    space = ["--space", "nets:build", "--dataset", "digits", "--name", "deaths", "--no-check"]
    if status := run_command(["study", "create", *space, *trials], folder, environment).wait(_LIMIT_S):
        raise SystemExit(status)
    driver = run_command(["workers", "deaths", "--ray", cluster.address, "-n", str(n_actors)], folder, environment)
    victims: dict[str, Callable[[], psutil.Process]] = {
        "an actor": lambda: cluster.actors()[0],
        "its worker": lambda: cluster.workers()[0],
    }
    taken: dict[str, list[tuple[float, float]]] = {what: [] for what in victims}
    try:
        wait_until(lambda: len(trained(storage)) == n_actors)
        for _ in range(rounds):
            for what, find in victims.items():
                seconds, cpu_s = kill(find(), cluster, storage, n_actors=n_actors)
                taken[what].append((seconds, cpu_s))
                print(f"{what} was killed: trains again after {seconds:.2f} s, {cpu_s:.2f} s of CPU", flush=True)
    finally:
        driver.terminate()
        driver.wait(_LIMIT_S)
    return [
        {
            "killed": what,
            "seconds": [seconds for seconds, _ in found],
            "median_s": statistics.median(seconds for seconds, _ in found),
            "median_cpu_s": statistics.median(cpu_s for _, cpu_s in found),
        }
        for what, found in taken.items()
    ]


def kill(victim: psutil.Process, cluster: RayCluster, storage: Storage, *, n_actors: int) -> tuple[float, float]:
    """Kill a process and wait until all trials are trained again; return seconds, and those of new processes' CPU."""
    before, known = trained(storage), {process.pid for process in (*cluster.actors(), *cluster.workers())}
    started = time.monotonic()
    victim.kill()

    def is_over() -> bool:
        now = trained(storage)
        moved = [slot for slot, (worker, epoch) in now.items() if worker != before[slot][0] and epoch > before[slot][1]]
        return len(moved) > 0 and len(now) == n_actors

    wait_until(is_over)
    seconds, cpu_s = time.monotonic() - started, 0.0
    for process in (*cluster.actors(), *cluster.workers()):
        with suppress(psutil.Error):
            if process.pid not in known:
                times = process.cpu_times()
                cpu_s += times.user + times.system
    return seconds, cpu_s


def trained(storage: Storage) -> dict[int, tuple[str, int]]:
    """Return of each slot that has an epoch its last worker and the epoch."""
    with storage.reader.connect() as connection:
        rows = connection.execute(sa.select(slots.c.id, slots.c.workers, slots.c.epoch).where(slots.c.epoch > 0)).all()
    return {row.id: (row.workers[-1], row.epoch) for row in rows}


def run_command(words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a command of tuner's in the folder."""
    return subprocess.Popen([sys.executable, "-m", "tuner", *words], cwd=folder, env={**os.environ, **environment})


def wait_until(is_true: Callable[[], bool]) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + _LIMIT_S
    while not is_true():
        if time.monotonic() > deadline:
            raise SystemExit("It did not come true in time.")
        time.sleep(_LOOK_S)


if __name__ == "__main__":
    main()
