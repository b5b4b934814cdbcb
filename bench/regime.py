"""Searched against default augmentation: equal CPU seconds for the search, equal finals, a part of real MNIST.

    python bench/regime.py --seconds 300 --seeds 3
    python bench/regime.py --quick                            one seed, 20 CPU seconds a side: a look, no result

Both sides search the same space with the same sampler and seed. `default` searches without augmentation and retrains
with the default one, as a definition without `[search.augmentation]` does; `searched` draws the strength of each change
with the other hyperparameters, and its finals take over the winner's. A search ends when its one worker has used its
CPU seconds, imports included, so that epochs that augmentation makes dearer are paid for. Then the best two of five
confirmed configurations are retrained and tested once. Prints a table and writes `bench/results/regime-SPACE.json`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from machine import RESULTS, describe_machine

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.division.splits import take_stratified
from tuner.datasets.test_set import load_test_set

#: What `searched` draws; the default augmentation has 10, 0.1, 0.1, 0.1 and no elastic displacement.
RANGES = {
    "rotation": "{low = 0, high = 20}",
    "zoom": "{low = 0, high = 0.2}",
    "shift": "{low = 0, high = 0.2}",
    "shear": "{low = 0, high = 0.2}",
    "elastic": "{low = 0, high = 0.08}",
}
SIDES = ("default", "searched")


def main() -> None:
    """Run both sides for each seed, in turns, and print what they came to."""
    arguments = parse_arguments()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="bench-regime-") as folder:
        data = write_part_of_mnist(Path(folder), n_images=arguments.images, data_dir=arguments.data)
        print(
            f"{'side':10} {'seed':>4} {'trials':>7} {'CPU s':>6} {'search':>8} {'test, mean':>11} {'ensemble':>9}",
            flush=True,
        )
        for seed in range(arguments.seeds):
            for side in SIDES if seed % 2 == 0 else SIDES[::-1]:
                row = run_side(side, seed, data, Path(folder) / f"{side}-{seed}", arguments)
                rows.append(row)
                print(
                    f"{side:10} {seed:4} {row['trials']:7} {row['cpu_s']:6.0f} {row['best']:8.2%} {row['test']:11.2%} "
                    f"{row['ensemble']:9.2%}",
                    flush=True,
                )
    tested = {side: [row["test"] for row in rows if row["side"] == side] for side in SIDES}
    differences = [b - a for a, b in zip(*(tested[side] for side in SIDES), strict=True)]
    for side in SIDES:
        print(f"{side}: mean test accuracy {statistics.mean(tested[side]):.2%}")
    spread = f" ± {100 * statistics.stdev(differences):.2f}" if len(differences) > 1 else ""
    print(
        f"searched minus default, paired: {100 * statistics.mean(differences):+.2f}{spread} points, "
        f"n = {len(differences)}"
    )
    if not arguments.quick:
        RESULTS.mkdir(exist_ok=True)
        settings = {key: value for key, value in vars(arguments).items() if key not in ("data", "quick")}
        result = {"settings": settings, "machine": describe_machine(), "runs": rows}
        (RESULTS / f"regime-{arguments.space}.json").write_text(json.dumps(result, indent=1) + "\n")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="mlp")
    parser.add_argument("--seconds", type=float, default=300.0, help="CPU seconds of each search")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=2000, help="training images, validation among them")
    parser.add_argument("--epochs", type=int, default=8, help="of a trial; finals have three times as many")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("TUNER_DATA", "~/.cache/tuner/data")).expanduser()
    )
    parser.add_argument("--quick", action="store_true", help="one seed, 20 seconds")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds, arguments.seeds = 20.0, 1
    return arguments


def write_part_of_mnist(folder: Path, *, n_images: int, data_dir: Path) -> Path:
    """Write the same fraction of every class, and the whole test set, as an own dataset."""
    dataset = open_dataset("mnist", data_dir=data_dir)
    train = take_stratified(dataset.load_train(), n_images=n_images, seed=0)
    test = load_test_set("mnist", data_dir=data_dir)
    path = folder / "mnist-part.npz"
    np.savez(path, x_train=train.images, y_train=train.labels, x_test=test.images, y_test=test.labels)
    return path


def run_side(side: str, seed: int, data: Path, home: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Search for so many CPU seconds, make the finals, and return what came of it."""
    home.mkdir()
    environment = {**os.environ, "TUNER_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "2"}

    def tuner(*words: str) -> str:
        command = [sys.executable, "-m", "tuner", *words]
        done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout

    settings = {
        "search.trials": 10_000, "search.epochs": arguments.epochs, "data.validation_fraction": 0.25,
        "finals.top": 2, "finals.candidates": 5, "finals.repeats": 2, "finals.epochs": 3 * arguments.epochs,
        "finals.compare_augmentation": "false",
    }  # fmt: skip
    if side == "searched":
        settings |= {f"search.augmentation.{name}": drawn for name, drawn in RANGES.items()}
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    words = ("--space", arguments.space, "--dataset", str(data), "--name", "s", "--seed", str(seed), "--no-check")
    tuner("study", "create", *words, *sets)
    cpu_s = search(home, environment, arguments.seconds, tuner)
    tuner("finals", "s", "--until-done", "-n", "1")
    shown = json.loads(tuner("study", "show", "s", "--json"))
    return {
        "side": side,
        "seed": seed,
        "cpu_s": cpu_s,
        "trials": shown["trials"]["complete"] + shown["trials"]["pruned"],
        "best": shown["best"]["score"],
        "test": shown["winner"]["test_accuracy_mean"],
        "ensemble": shown["ensemble"]["test_accuracy"] if shown["ensemble"] else shown["winner"]["test_accuracy_mean"],
        "hyperparameters": shown["winner"]["hyperparameters"],
    }


def search(home: Path, environment: dict[str, str], seconds: float, tuner: Any) -> float:
    """Let one worker search until it has used its CPU seconds; return how many it used."""
    command: Sequence[str] = [sys.executable, "-m", "tuner", "worker", "s", "--until-done", "--max-slots", "10000"]
    with (home / "worker.txt").open("w") as output:
        worker = subprocess.Popen(command, env=environment, cwd=home, stdout=output, stderr=output)
        used, seen = 0.0, psutil.Process(worker.pid)
        while worker.poll() is None and used < seconds:
            time.sleep(0.2)
            with seen.oneshot():
                used = sum(seen.cpu_times()[:2]) if seen.is_running() else used
        tuner("study", "stop", "s")
        worker.wait()
    return used


if __name__ == "__main__":
    main()
