"""What pruning saves and what it costs: the same search with the shipped pruner and without one, over several seeds.

    python bench/pruning.py [--study studies/mnist-mlp.toml] [--seeds 3] [--pruner asha] [--quick]

Prints a table and writes `bench/results/pruning-STUDY.json`. The best score of each search is a validation accuracy; no
finals are made and no test set is opened. `--quick` takes the digits and two seeds, to see that it runs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import RESULTS, describe_machine

from tuner.studies.database.storage import open_storage
from tuner.studies.definitions.making import read_definition
from tuner.studies.records.reading import load_study


def main() -> None:
    """Run the searches and print what they came to."""
    arguments = parse_arguments()
    definition = read_definition(arguments.study)
    full = definition.search.trials * definition.search.epochs
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            # Both sides of a seed draw the same start-up trials; later ones differ, as the histories do.
            rows += [search(arguments.study, pruner, seed, Path(folder)) for pruner in ("none", arguments.pruner)]
    print(f"{'pruner':10} {'seed':>4} {'epochs':>7} {'saved':>7} {'best':>8} {'seconds':>8}")
    for row in rows:
        numbers = f"{row['epochs']:7} {1 - row['epochs'] / full:7.1%} {row['best']:8.2%} {row['seconds']:8.0f}"
        print(f"{row['pruner']:10} {row['seed']:4} {numbers}")
    summary = summarise(rows, arguments.pruner, full)
    print(json.dumps(summary, indent=2))
    RESULTS.mkdir(exist_ok=True)
    result = {"study": definition.name, "machine": describe_machine(), "rows": rows, "summary": summary}
    name = f"pruning-{definition.name}.json"
    (RESULTS / name).write_text(json.dumps(result, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="What pruning saves and what it costs.")
    parser.add_argument("--study", default="studies/mnist-mlp.toml")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pruner", default="asha")
    parser.add_argument("--quick", action="store_true", help="digits, two seeds")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.study, arguments.seeds = "studies/digits.toml", 2
    return arguments


def search(study: str, pruner: str, seed: int, folder: Path) -> dict[str, Any]:
    """Run one search with the installed command and return its epochs and its best score."""
    name = f"{pruner}-{seed}"
    storage = f"sqlite:///{folder / name}.db"
    changes = [f"name={name}", f"seed={seed}", f"search.pruner={pruner}", "finals.top=0"]
    tuner = Path(sys.executable).with_name("tuner")
    environment = {**os.environ, "TUNER_STORAGE": storage, "TUNER_ARTIFACTS": str(folder / "artifacts")}
    overrides = [word for change in changes for word in ("--set", change)]
    subprocess.run([tuner, "study", "create", study, *overrides], check=True, env=environment)
    started = time.monotonic()
    subprocess.run([tuner, "workers", name, "--until-done"], check=True, env=environment)
    seconds = time.monotonic() - started
    with open_storage(storage) as opened:
        record = load_study(opened, name)
    best = record.best
    return {
        "pruner": pruner,
        "seed": seed,
        "epochs": sum(len(trial.curve) for trial in record.trials),
        "best": None if best is None else best.score,
        "seconds": seconds,
    }


def summarise(rows: list[dict[str, Any]], pruner: str, full: int) -> dict[str, Any]:
    """Return the means, and whether the pruned search is within one standard deviation of the unpruned one."""
    best = {name: [row["best"] for row in rows if row["pruner"] == name] for name in ("none", pruner)}
    epochs = [row["epochs"] for row in rows if row["pruner"] == pruner]
    sd = statistics.stdev(best["none"])
    difference = statistics.fmean(best[pruner]) - statistics.fmean(best["none"])
    return {
        "epochs_saved": 1 - statistics.fmean(epochs) / full,
        "best_mean_without_pruning": statistics.fmean(best["none"]),
        "best_sd_without_pruning": sd,
        "best_mean_with_pruning": statistics.fmean(best[pruner]),
        "difference": difference,
        "within_one_sd": difference >= -sd,
    }


if __name__ == "__main__":
    main()
