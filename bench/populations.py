"""Several dense nets as one program on JAX: against one after another, and against TensorFlow in two processes.

    python bench/populations.py --quick                            a look
    python bench/populations.py --out bench/results/populations.json

Cases: 784-100-100-10 at batch 32 and 128, k models that differ in seeds; 784-397-397-10 in a cross-validation of ten
folds. Sides, each in processes of its own, all in one run and in turns:

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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import describe_machine

HERE = Path(__file__).parent
SIDES = ("alone", "at once", "auto", "tensorflow")
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
#: Seconds that one side may take.
LIMIT_S = 1200


def main() -> None:
    """Measure case by case; write the JSON anew after each."""
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
    rows: list[dict[str, Any]] = []
    print(f"{'':43}{'all':>9}{'of CPU':>9}{'later':>9}{'of CPU':>9}   gains: {'all, of CPU, later, of CPU'}")
    for case in arguments.cases:
        numbers = CASES[case][2] if case.startswith("folds") else arguments.numbers or CASES[case][2]
        for k in numbers:
            rows.extend(measure(case, k, arguments))
            if arguments.out:
                arguments.out.parent.mkdir(parents=True, exist_ok=True)
                conditions = {"machine": describe_machine(), "rounds": arguments.rounds, "epochs": arguments.epochs}
                arguments.out.write_text(json.dumps({**conditions, "rows": rows}, indent=1) + "\n")


def measure(case: str, k: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each side: medians of the rounds."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    load_before = os.getloadavg()[0]
    for _ in range(arguments.rounds):
        for side in SIDES:
            found[side].append(run_side(side, case, k, arguments))
    rows = []
    for side, rounds in found.items():
        row: dict[str, Any] = {"case": case, "models": k, "side": side, "images": arguments.images, "rounds": rounds}
        row |= {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        rows.append(row)
    for row in rows:
        for name in COLUMNS:
            # What `auto` tries is first epochs too, of more programs.
            is_known = row["side"] != "auto" or not name.startswith("later")
            row[f"{name}_gain"] = min(rows[0][name], rows[-1][name]) / row[name] if is_known else None
        row["load"] = [round(load_before, 1), round(os.getloadavg()[0], 1)]
        seconds = "".join(f"{row[name]:9.2f}" for name in COLUMNS)
        gains = "".join(f"{row[f'{name}_gain'] or 0:7.2f}" for name in COLUMNS)
        print(f"{case:26}{k:3}  {row['side']:12}{seconds}   {gains}", flush=True)
    return rows


def run_side(side: str, case: str, k: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Return the seconds of one side, that of its processes together."""
    shares = [k - k // 2, k // 2] if side == "tensorflow" else [k]
    with tempfile.TemporaryDirectory() as folder:
        common = {"side": side, "case": case, "k": k, "n_images": arguments.images, "n_epochs": arguments.epochs}
        common |= {"folder": folder, "n_processes": len(shares)}
        children = [
            subprocess.Popen(
                [sys.executable, __file__, "--child", json.dumps({**common, "first": sum(shares[:index]), "n": n})],
                env={**os.environ, "KERAS_BACKEND": "tensorflow" if side == "tensorflow" else "jax"},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for index, n in enumerate(shares)
        ]
        found = [json.loads(child.communicate(timeout=LIMIT_S)[0].splitlines()[-1]) for child in children]
    return {name: (sum if "cpu" in name else max)(one[name] for one in found) for name in COLUMNS}


def run_child(*, side: str, first: int, n: int, folder: str, n_processes: int, **runs: Any) -> None:
    """Train some of the models and print their seconds."""
    from tuner.training.backend import load_backend

    load_backend()
    of_process = Runs(which=range(first, first + n), **runs)
    (Path(folder) / f"ready-{first}").touch()
    while len(list(Path(folder).iterdir())) < n_processes:
        time.sleep(0.01)
    train = {"at once": of_process.train_at_once, "auto": of_process.train_auto}
    print(json.dumps(train.get(side, of_process.train_alone)()))


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

        from tuner.datasets.folds import divide_into_folds
        from tuner.training.plan import Part, TrainingData

        self.units, self.batch_size, _ = CASES[case]
        self.which, self.n_epochs, self.clock = which, n_epochs, Clock()
        self.parts: dict[int, Part] = {}
        if case.startswith("folds"):
            folded = divide_into_folds(random_images(n_images * k // (k - 1)), n_folds=k, seed=0)
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

        self.clock = Clock()
        for seed in self.which:
            model, plan = self.build(seed)
            self.clock.begin()
            train(model, self.parts[seed].data if self.parts else self.images, plan, on_epoch=self.end_epoch)
        return self.clock.read()

    def train_at_once(self) -> dict[str, float]:
        """Train all as one program."""
        return self.train_members(None)

    def train_auto(self) -> dict[str, float]:
        """Train as many at once as is found to pay; what trying takes is in the time."""
        from tuner.training.widths import WidthChoice

        return self.train_members(WidthChoice(most=len(self.which)))

    def train_members(self, width: Any) -> dict[str, float]:
        """Train a population."""
        from tuner.training.population import Member, train_population

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
