"""Several dense nets as one program on JAX: against one after another, and against TensorFlow in two processes.

    python bench/populations.py --quick                            a look
    python bench/populations.py --out bench/results/populations.json

Cases: 784-100-100-10 at batch 32 and 128, k models that differ in seeds; 784-397-397-10 in a cross-validation of ten
folds. Sides, all in one run, those on JAX in one process, in each of the rounds:

    alone       our program on JAX, one model after another
    at once     all k as one program
    auto        as many at once as `WidthChoice` finds; its trying is in its time
    tensorflow  our program on TensorFlow, half of the models in each of two processes

A model trains `--epochs` epochs after a first one, which may compile. The table shows the seconds of all of it, and of
what is not first epochs (`later`), on the clock and of the processor, which tell more on a machine that others use too.
A gain is how many times as fast a side is as the better one of `alone` and `tensorflow`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from machine import describe_machine

HERE = Path(__file__).parent
SIDES = ("alone", "at once", "auto", "tensorflow")
ON_JAX = SIDES[:3]
N_FOLDS = 10
#: Hidden units, batch size, numbers of models.
CASES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "mlp-100 batch 32": (100, 32, (2, 4, 8, 16)),
    "mlp-100 batch 128": (100, 128, (2, 4, 8, 16)),
    "folds mlp-397 batch 32": (397, 32, (N_FOLDS,)),
    "folds mlp-397 batch 128": (397, 128, (N_FOLDS,)),
}
#: What is measured.
COLUMNS = ("wall_s", "cpu_s", "later_wall_s", "later_cpu_s")
#: Seconds that one process may take.
LIMIT_S = 3600


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few images, two models, one round: a look, no result")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--images", type=int, default=12_000, help="images that a model trains on")
    parser.add_argument("--epochs", type=int, default=3, help="measured epochs of each model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--numbers", type=int, nargs="+", help="numbers of models that differ in seeds; default 2 to 16"
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run_child(**json.loads(arguments.child))
        return
    if arguments.quick:
        arguments.images, arguments.epochs, arguments.rounds, arguments.numbers = 1_000, 1, 1, [2]
    jobs = [(case, k) for case in arguments.cases for k in numbers_of(case, arguments.numbers)]
    load_before = os.getloadavg()[0]
    found = [measure(jobs, arguments) for _ in range(arguments.rounds)]
    rows = summarise(jobs, found)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        conditions = {"machine": describe_machine(), "load_before": load_before, "images": arguments.images}
        conditions |= {"epochs": arguments.epochs, "rounds": arguments.rounds}
        arguments.out.write_text(json.dumps({**conditions, "rows": rows}, indent=1) + "\n")


def numbers_of(case: str, asked: list[int] | None) -> Sequence[int]:
    """Return the numbers of models with which a case is measured."""
    return CASES[case][2] if case.startswith("folds") else asked or CASES[case][2]


def measure(jobs: Sequence[tuple[str, int]], arguments: argparse.Namespace) -> dict[tuple[str, int, str], Any]:
    """Return the seconds of each case, number of models and side."""
    found: dict[tuple[str, int, str], Any] = {}
    for line in run_children("jax", 1, jobs, arguments)[0]:
        found[line["case"], line["k"], line["side"]] = line
    for of_one, of_other in zip(*run_children("tensorflow", 2, jobs, arguments), strict=True):
        both = {name: (sum if "cpu" in name else max)((of_one[name], of_other[name])) for name in COLUMNS}
        found[of_one["case"], of_one["k"], "tensorflow"] = both
    return found


def run_children(
    backend: str, n_processes: int, jobs: Sequence[tuple[str, int]], arguments: argparse.Namespace
) -> list[list[dict[str, Any]]]:
    """Return what each of several processes has measured, which begin each job together."""
    with tempfile.TemporaryDirectory() as folder:
        common = {"jobs": jobs, "n_images": arguments.images, "n_epochs": arguments.epochs, "folder": folder}
        children = [
            subprocess.Popen(
                [
                    sys.executable,
                    __file__,
                    "--child",
                    json.dumps({**common, "process": process, "n_processes": n_processes}),
                ],
                env={**os.environ, "KERAS_BACKEND": backend},
                stdout=subprocess.PIPE,
                text=True,
            )
            for process in range(n_processes)
        ]
        outputs = [child.communicate(timeout=LIMIT_S)[0] for child in children]
    return [[json.loads(line) for line in output.splitlines() if line.startswith("{")] for output in outputs]


def summarise(
    jobs: Sequence[tuple[str, int]], rounds: Sequence[dict[tuple[str, int, str], Any]]
) -> list[dict[str, Any]]:
    """Print and return a row for each case, number of models and side: medians of the rounds."""
    rows = []
    print(f"{'':43}{'all':>9}{'of CPU':>9}{'later':>9}{'of CPU':>9}   gains: {'all, of CPU, later, of CPU'}")
    for case, k in jobs:
        seconds = {
            side: {name: statistics.median(one[case, k, side][name] for one in rounds) for name in COLUMNS}
            for side in SIDES
        }
        for side, own in seconds.items():
            gains = {
                # What `auto` tries is first epochs too, of more programs.
                f"{name}_gain": None
                if side == "auto" and name.startswith("later")
                else min(seconds["alone"][name], seconds["tensorflow"][name]) / own[name]
                for name in COLUMNS
            }
            every = [one[case, k, side] for one in rounds]
            rows.append({"case": case, "models": k, "side": side, **own, **gains, "rounds": every})
            columns = "".join(f"{own[name]:9.2f}" for name in COLUMNS)
            print(f"{case:26}{k:3}  {side:12}{columns}   " + "".join(f"{gain or 0:7.2f}" for gain in gains.values()))
    return rows


def run_child(*, jobs: list[tuple[str, int]], process: int, n_processes: int, folder: str, **sizes: int) -> None:
    """Train this process's part of the models of each job, and print the seconds."""
    from tuner.training.backend import load_backend

    load_backend()
    sides = ON_JAX if n_processes == 1 else ("tensorflow",)
    for index, (case, k) in enumerate(jobs):
        for side in sides:
            runs = Runs(
                case=case, k=k, which=range(k * process // n_processes, k * (process + 1) // n_processes), **sizes
            )
            (Path(folder) / f"{index}-{process}").touch()
            while len(list(Path(folder).glob(f"{index}-*"))) < n_processes:
                time.sleep(0.01)
            train = {"at once": runs.train_at_once, "auto": runs.train_auto}.get(side, runs.train_alone)
            print(json.dumps({"case": case, "k": k, "side": side, **train()}), flush=True)


class Clock:
    """Seconds, on the clock and of the processor, of first epochs and of all others."""

    def __init__(self) -> None:
        self.first_s = self.first_cpu_s = 0.0
        self._started = self._last = (time.perf_counter(), time.process_time())

    def end_first(self) -> None:
        """What has passed since the last call, or since `begin`, was a first epoch."""
        now = time.perf_counter(), time.process_time()
        self.first_s += now[0] - self._last[0]
        self.first_cpu_s += now[1] - self._last[1]

    def begin(self) -> None:
        """A first epoch begins now."""
        self._last = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Return the seconds since the beginning, and of those the ones that are not of first epochs."""
        wall, cpu = time.perf_counter() - self._started[0], time.process_time() - self._started[1]
        later = {"later_wall_s": wall - self.first_s, "later_cpu_s": cpu - self.first_cpu_s}
        return {"wall_s": wall, "cpu_s": cpu, **later}


class Runs:
    """The models of one process, and their images."""

    def __init__(self, *, case: str, k: int, which: range, n_images: int, n_epochs: int) -> None:
        from epochs import random_images

        from tuner.datasets.division.folds import divide_into_folds
        from tuner.training.plan import Part, TrainingData
        from tuner.training.populations.cache import POPULATIONS
        from tuner.training.session import PROGRAMS

        # Each side compiles its own programs.
        PROGRAMS.clear()
        POPULATIONS.clear()
        self.units, self.batch_size, _ = CASES[case]
        self.which, self.n_epochs, self.clock = which, n_epochs, Clock()
        self.parts: dict[int, Part] = {}
        if case.startswith("folds"):
            folded = divide_into_folds(random_images(n_images // (k - 1) * k), n_folds=k, seed=0)
            for fold in range(k):
                split, rows = folded.split(fold + 1), folded.rows(fold + 1)
                data = TrainingData(train=split.train, validation=split.validation)
                self.parts[fold] = Part(data=data, train_rows=rows[0], validation_rows=rows[1])
            self.images: Any = folded.once
        else:
            self.images = TrainingData(train=random_images(n_images), validation=None)

    def train_alone(self) -> dict[str, float]:
        """Train one after another."""
        from tuner.training.train import train

        built = {seed: self.build(seed) for seed in self.which}
        self.clock = Clock()
        for seed, (model, plan) in built.items():
            self.clock.begin()
            train(model, self.parts[seed].data if self.parts else self.images, plan, on_epoch=self.end_epoch)
        return self.clock.read()

    def train_at_once(self) -> dict[str, float]:
        """Train all as one program."""
        return self.train_members(None)

    def train_auto(self) -> dict[str, float]:
        """Train as many at once as is found to pay; what trying takes is in the time."""
        from tuner.training.populations.widths import WidthChoice

        return self.train_members(WidthChoice(most=len(self.which)))

    def train_members(self, width: Any) -> dict[str, float]:
        """Train a population."""
        from tuner.training.populations.train import Member, train_population

        members = []
        for seed in self.which:
            model, plan = self.build(seed)
            # The last of them tells when an epoch of all is over.
            tells = width is None and seed == self.which[-1]
            on_epoch: Callable[[Any], None] = self.end_epoch if tells else ignore
            members.append(Member(model=model, plan=plan, on_epoch=on_epoch, part=self.parts.get(seed)))
        self.clock = Clock()
        for end in train_population(members, self.images, width=width):
            if isinstance(end, Exception):
                raise end
        return self.clock.read()

    def build(self, seed: int) -> tuple[Any, Any]:
        """Return a model and its plan."""
        import keras
        from epochs import N_CLASSES, SHAPE

        from tuner.training.plan import TrainingPlan
        from tuner.training.session import release_memory, seed_everything

        release_memory()
        seed_everything(seed)
        hidden = [keras.layers.Dense(self.units, activation="relu") for _ in range(2)]
        head = keras.layers.Dense(N_CLASSES, activation="softmax")
        model = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), *hidden, head])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model, TrainingPlan(epochs=1 + self.n_epochs, batch_size=self.batch_size, seed=seed)

    def end_epoch(self, epoch: Any) -> None:
        """Told an epoch's result."""
        if epoch.epoch == 1:
            self.clock.end_first()


def ignore(_: Any) -> None:
    """Told an epoch's result, does nothing."""


if __name__ == "__main__":
    main()
