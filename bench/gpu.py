"""On a GPU: seconds per epoch, and trials an hour with 1 to 16 workers on it, against KerasTuner on the same device.

    KERAS_BACKEND=jax python bench/gpu.py [--seconds 120] [--per-gpu 1 2 4 8 16]

Where no GPU is, it says so and measures nothing. `--on-cpu` runs the same steps on the CPU, to see that they work; such
figures are not written. JAX is enough; with TensorFlow installed `KERAS_BACKEND` chooses. Writes
`bench/results/gpu-BACKEND.json`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import RESULTS, describe_machine
from search import run_side

from tuner.training.backend import load_backend
from tuner.training.gpus import list_gpus

HERE = Path(__file__).parent
#: Trials of equal shape over which the start and the compilation of a worker are spread.
_SPREAD_OVER = 20


def main() -> None:
    """Measure, print, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0, help="for each number of workers, and for KerasTuner")
    parser.add_argument("--per-gpu", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--on-cpu", action="store_true", help="run the steps without a GPU; no result")
    parser.add_argument("--quick", action="store_true", help="30 s each, one and two workers")
    arguments = parser.parse_args()
    gpus = list_gpus()
    if not gpus and not arguments.on_cpu:
        print("No GPU here: nothing was measured.")
        return
    if arguments.quick:
        arguments.seconds, arguments.per_gpu = 30.0, [1, 2]
    # Workers and peers inherit what this settles.
    load_backend()
    backend = os.environ["KERAS_BACKEND"]
    print(f"{gpus[0] if gpus else 'CPU'}, {backend}")
    measured = {
        "backend": backend,
        "gpu": str(gpus[0]) if gpus else None,
        "machine": describe_machine(),
        "seconds": arguments.seconds,
        "epochs": measure_epochs(quick=arguments.quick),
        "trials_per_hour": measure_throughput(arguments.seconds, arguments.per_gpu),
        "digit_recognizer_s": measure_digit_recognizer(),
    }
    if gpus:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"gpu-{backend}.json").write_text(json.dumps(measured, indent=1) + "\n")


def measure_epochs(*, quick: bool) -> Any:
    """Run `bench/epochs.py` on this device and return what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "epochs.json"
        size = ["--quick"] if quick else ["--images", "54000"]
        subprocess.run([sys.executable, HERE / "epochs.py", "--out", out, *size], check=True)
        return json.loads(out.read_text())


def measure_throughput(seconds: float, per_gpu: list[int]) -> list[dict[str, Any]]:
    """Count the trials of 10 epochs, none of them pruned, that each side finishes on the cnn space."""
    rows = []
    sides: list[tuple[str, int]] = [("keras-tuner-random", 1), *(("tuner", n) for n in per_gpu)]
    print(f"{'side':24}{'workers':>8}{'epochs':>8}{'trials an hour':>16}")
    for side, workers in sides:
        run = run_side(side, "cnn", 0, seconds, settings=["search.pruner=none"], workers=["-n", str(workers)])
        rows.append(
            {"side": side, "workers": workers, "epochs": run.epochs, "per_hour": run.epochs / 10 / seconds * 3600}
        )
        print(f"{side:24}{workers:8}{run.epochs:8}{rows[-1]['per_hour']:16.0f}", flush=True)
    best = max(row["per_hour"] for row in rows[1:])
    print(f"best of tuner divided by KerasTuner: {best / max(rows[0]['per_hour'], 1e-9):.1f}")
    return rows


def measure_digit_recognizer() -> float:
    """Return the seconds of a trial of 10 epochs of the digit-recognizer net, start and compilation spread over 20."""
    run = run_side(
        "tuner",
        "digit-recognizer",
        0,
        3600.0,
        settings=["search.pruner=none", f"search.trials={_SPREAD_OVER}"],
        workers=["-n", "1", "--until-done"],
    )
    seconds = run.last_epoch_s / _SPREAD_OVER
    print(f"digit-recognizer, 10 epochs: {seconds:.2f} s a trial, start and compilation spread over {_SPREAD_OVER}")
    return seconds


if __name__ == "__main__":
    main()
