"""From a command to the first trained epoch, and from a worker's end to its successor's first trial.

    python bench/startup.py --data DATA [--rounds 3] [--before CHECKOUT] [--quick]

A HyperModel that is none of tuner's own (a dense net) and MNIST, whose files are in DATA; two workers, as the pool
would start on two cores. Each round measures by turns `import keras` with its backend; `tuner run` and `tuner workers`
until the database has an epoch; `tuner study create`; and, with a worker that is replaced after each trial, the seconds
between the end of a trial and the begin of the next one. Seconds of the clock, and of the processor those of all
processes together; each also divided by the import's of the same round. With `--before`, another checkout is measured
in the same rounds.
Prints a table and writes `bench/results/startup.json`.
"""

import argparse
import itertools
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from machine import RESULTS, describe_machine

HERE = Path(__file__).resolve().parents[1]
#: Seconds between two looks into the database.
_LOOK_S = 0.02
#: Seconds after which nothing more is expected.
_LIMIT_S = 600.0
#: Number of trials of a worker that is replaced after each.
_TRIALS = 5
_NET = """
import keras
import keras_tuner


class Net(keras_tuner.HyperModel):
    def build(self, hp):
        layers = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
        layers += [keras.layers.Dense(hp.Int("units", 32, 256, step=32), activation="relu")]
        model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
        optimizer = keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3))
        model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        return model
"""
_STUDY = ["--space", "nets:Net", "--name", "start", "--pruner", "none", "--set", "search.batch_size=128"]


@dataclass(frozen=True)
class Taken:
    """What something has taken."""

    seconds: float
    #: Of the processor, of all its processes.
    cpu_s: float


def main() -> None:
    """Measure each side, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("TUNER_DATA"), help="TUNER_DATA")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--quick", action="store_true", help="one round, on digits: a look, no result")
    arguments = parser.parse_args()
    dataset = "digits" if arguments.quick or arguments.data is None else "mnist"
    sides = {"now": HERE, **({"before": arguments.before.resolve()} if arguments.before else {})}
    rounds: list[dict[str, dict[str, Taken]]] = []
    for _ in range(1 if arguments.quick else arguments.rounds):
        keras = import_keras()
        print(f"import keras: {keras}", flush=True)
        found = {name: measure(name, checkout, dataset, arguments.data) for name, checkout in sides.items()}
        rounds.append({"import": {"import keras": keras}, **found})
    rows = summarize(rounds)
    print(f"{'':30}{'seconds':>9}{'/ import':>10}{'CPU':>8}{'/ import':>10}")
    for row in rows:
        print(f"{row['what']:30}{row['seconds']:9.2f}{row['ratio']:10.2f}{row['cpu_s']:8.2f}{row['cpu_ratio']:10.2f}")
    if not arguments.quick:
        result = {"machine": describe_machine(), "dataset": dataset, "rounds": len(rounds), "rows": rows}
        (RESULTS / "startup.json").write_text(json.dumps(result, indent=1) + "\n")


def summarize(rounds: list[dict[str, dict[str, Taken]]]) -> list[dict[str, object]]:
    """Return medians over the rounds, and medians of what each round took in units of its own import."""
    rows: list[dict[str, object]] = []
    for side, measured in rounds[0].items():
        for what in measured:
            taken = [(each[side][what], each["import"]["import keras"]) for each in rounds]
            rows.append(
                {
                    "what": what if side == "import" else f"{what} ({side})",
                    "seconds": statistics.median(one.seconds for one, _ in taken),
                    "ratio": statistics.median(one.seconds / keras.seconds for one, keras in taken),
                    "cpu_s": statistics.median(one.cpu_s for one, _ in taken),
                    "cpu_ratio": statistics.median(one.cpu_s / keras.cpu_s for one, keras in taken),
                }
            )
    return rows


def import_keras() -> Taken:
    """Start Python and import Keras and its backend; the end of the process does not count."""
    code = "import os, keras; print(sum(os.times()[:4])); os._exit(0)"
    code = code.replace("os._exit", "__import__('sys').stdout.flush(); os._exit")
    started = time.monotonic()
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment_of(HERE, None)
    )
    return Taken(time.monotonic() - started, float(shown.stdout))


def measure(name: str, checkout: Path, dataset: str, data: Path | None) -> dict[str, Taken]:
    """Measure what a checkout takes, and print it."""
    study = [*_STUDY, "--dataset", dataset, "--set", "finals.top=0"]
    long = ["--trials", "50", "--epochs", "10"]
    found = {}
    with folder_of_net() as folder:
        command = ["run", *study, *long]
        found["tuner run: first epoch"] = until(has_epoch, checkout, folder, data, command)
    with folder_of_net() as folder:
        started = time.monotonic()
        process = start(checkout, folder, data, ["study", "create", *study, *long])
        _, cpu_s = wait_for(process)
        found["tuner study create"] = Taken(time.monotonic() - started, cpu_s)
        command = ["workers", "start", "-n", "2"]
        found["tuner workers: first epoch"] = until(has_epoch, checkout, folder, data, command)
    with folder_of_net() as folder:
        create = ["study", "create", *study, "--trials", str(_TRIALS), "--epochs", "1", "--no-check"]
        wait_for(start(checkout, folder, data, create))
        taken = until(has_ended, checkout, folder, data, ["workers", "start", "-n", "1", "--max-slots", "1"])
        found["a worker's successor"] = Taken(statistics.median(gaps(folder)), taken.cpu_s / _TRIALS)
    for what, taken in found.items():
        print(f"{name}, {what}: {taken}", flush=True)
    return found


def until(
    is_over: Callable[[Path], bool], checkout: Path, folder: Path, data: Path | None, arguments: list[str]
) -> Taken:
    """Run a command until something is over, then end it."""
    started = time.monotonic()
    process = start(checkout, folder, data, arguments)
    try:
        while not is_over(folder):
            if process.poll() is not None or time.monotonic() - started > _LIMIT_S:
                raise SystemExit(f"{arguments} came to nothing:\n{(folder / 'output.txt').read_text()}")
            time.sleep(_LOOK_S)
        return Taken(time.monotonic() - started, cpu_seconds(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def start(checkout: Path, folder: Path, data: Path | None, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start `tuner` in the folder."""
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "tuner", *arguments],
            cwd=folder,
            env=environment_of(checkout, data),
            stdout=output,
            stderr=output,
        )


def wait_for(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Wait for a command that must succeed; return its status and the processor's seconds of it and of its children."""
    before = os.times()
    status = process.wait(timeout=_LIMIT_S)
    after = os.times()
    if status:
        raise SystemExit(f"{process.args} ended with status {status}")
    return status, after.children_user + after.children_system - before.children_user - before.children_system


def environment_of(checkout: Path, data: Path | None) -> dict[str, str]:
    """Return the environment of a command of that checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TUNER_", "KERAS_"))}
    own = {"PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "2"}
    return {**kept, **own, **({} if data is None else {"TUNER_DATA": str(data)})}


@contextmanager
def folder_of_net() -> Iterator[Path]:
    """Yield a folder with the net."""
    folder = Path(tempfile.mkdtemp(prefix="bench-startup-"))
    try:
        (folder / "nets.py").write_text(_NET)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ask(folder: Path, question: str) -> list[tuple[float, ...]]:
    """Return the answer of the folder's database, or none while there is none."""
    file = folder / ".tuner" / "tuner.db"
    if not file.exists():
        return []
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return database.execute(question).fetchall()
    return []


def has_epoch(folder: Path) -> bool:
    """Say whether an epoch was trained."""
    return bool(ask(folder, "select 1 from tuner_slots where epoch > 0 limit 1"))


def has_ended(folder: Path) -> bool:
    """Say whether all trials have ended."""
    return ask(folder, "select count(*) from tuner_slots where finished_at is null") == [(0,)]


def gaps(folder: Path) -> list[float]:
    """Return the seconds between the end of each trial and the begin of the next one."""
    rows = ask(folder, "select started_at, finished_at from tuner_slots order by started_at")
    return [begun - ended for (_, ended), (begun, _) in itertools.pairwise(rows)]


def cpu_seconds(pid: int) -> float:
    """Return the processor's seconds of a process and of all below it, also of those that have ended."""
    total = 0.0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


if __name__ == "__main__":
    main()
