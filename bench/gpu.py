"""On a GPU, JAX alone: what is otherwise only known of a CPU, in one command and one JSON.

    KERAS_BACKEND=jax python bench/gpu.py [--out FILE] [--parts doctor epochs search processes tests] [--quick]

Parts, each in processes of its own, so that one that fails or takes too long takes nothing from the others:

    doctor      what `tuner doctor` answers
    epochs      images a second of mlp, cnn and resnet (see `bench/epochs.py`) at batch 128 and 1,024, and the memory
                that each takes: Keras' `fit`, our program, populations of several members
    search      trials an hour of one search, by KerasTuner and by us with several workers
    processes   the same net by our program in several processes on one GPU at once
    tests       `tests/gpu`

Where no GPU is, it says so and measures nothing; `--on-cpu` runs the steps, to see that they work.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from machine import RESULTS, describe_machine

from tuner.training.gpus import list_gpus, read_memory

HERE = Path(__file__).parent
#: Seconds that a part may take.
LIMITS = {"doctor": 60, "epochs": 75, "search": 90, "processes": 40, "tests": 200}
MODELS = ("mlp", "cnn", "resnet")
BATCH_SIZES = (128, 1024)
#: Members of a population, by model and batch size; fewer where their activations would take much of 80 GB.
POPULATIONS = {
    ("mlp", 128): (8, 32, 128),
    ("mlp", 1024): (32,),
    ("cnn", 128): (8, 32, 128),
    ("cnn", 1024): (8,),
    ("resnet", 128): (8, 32, 128),
    ("resnet", 1024): (8,),
}
N_IMAGES, N_IMAGES_QUICK = 25_600, 2_560
#: Fewer for convolutions, so that an epoch of a large population takes about a second.
N_IMAGES_OF_POPULATION = {"mlp": 25_600, "cnn": 2_560, "resnet": 2_560}
#: In 45 s our side finished no trial, see `docs/experiments.md`.
SEARCH_SECONDS = 60.0
#: See `bench/searching/nets.py`.
EPOCHS_OF_TRIAL = 10


def main() -> None:
    """Measure part by part; write the JSON anew after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu-jax.json")
    parser.add_argument("--parts", nargs="+", choices=list(LIMITS), default=list(LIMITS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--quick", action="store_true", help="a tenth of the images, short searches: a look, no result")
    parser.add_argument("--on-cpu", action="store_true", help="run the steps without a GPU")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        kind, *values = arguments.child
        CHILDREN[kind](*values, n_images=N_IMAGES_QUICK if arguments.quick else N_IMAGES)
        return
    gpus = list_gpus()
    if not gpus and not arguments.on_cpu:
        print("No GPU here: nothing was measured.")
        return
    measured: dict[str, Any] = {"gpu": gpus[0].name if gpus else None, "quick": arguments.quick}
    for name in arguments.parts:
        started = time.monotonic()
        rows = measured[name] = []
        try:
            rows.extend(PARTS[name](arguments))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - what a part came to is kept, and the others follow
            print(f"{name}: {type(error).__name__}: {error}")
            rows.append({"error": str(error)[-1000:]})
        seconds = time.monotonic() - started
        print(f"--- {name}: {seconds:.0f} s", flush=True)
        measured["seconds"] = {**measured.get("seconds", {}), name: round(seconds, 1)}
        measured["machine"] = describe_machine()
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(measured, indent=1) + "\n")


def run_doctor(arguments: argparse.Namespace) -> Iterator[Any]:
    """Yield doctor's findings."""
    del arguments
    done = _run("doctor", ["-m", "tuner", "--storage", "sqlite:////tmp/doctor.db", "doctor", "--json"])
    print(done[-2000:])
    yield done


def run_tests(arguments: argparse.Namespace) -> Iterator[Any]:
    """Return pytest's last lines."""
    del arguments
    options = ["-q", "-m", "gpu", "-p", "no:cacheprovider", "--durations=12", "--tb=short"]
    done = _run("tests", ["-m", "pytest", str(HERE.parent / "tests" / "gpu"), *options])
    print(done[-6000:])
    yield done[-6000:]


def measure_epochs(arguments: argparse.Namespace) -> Iterator[Any]:
    """Return a row for each side, batch size and model."""
    print(f"{'model':8}{'batch':>6}  {'side':16}{'images/s':>12}{'of fit':>9}{'first s':>9}{'peak GiB':>10}")
    for model in arguments.models:
        yield from _rows(_run("epochs", _child(arguments, "epochs", model), echo=True))


def measure_processes(arguments: argparse.Namespace) -> Iterator[Any]:
    """Return the images a second that several processes come to together."""
    gpus = list_gpus()
    for model in [name for name in arguments.models if name != "resnet"]:
        for n in (2,) if arguments.quick else (1, 8):
            with tempfile.TemporaryDirectory() as folder:
                environment = {**os.environ, "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / n:.3f}", "BARRIER": folder}
                children = [
                    subprocess.Popen(
                        [sys.executable, *_child(arguments, "process", model, str(index))],
                        env=environment,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        text=True,
                    )
                    for index in range(n)
                ]
                deadline = time.monotonic() + LIMITS["processes"]
                while len(list(Path(folder).glob("ready-*"))) < n and time.monotonic() < deadline:
                    time.sleep(0.05)
                memory = read_memory(gpus[0].uuid) if gpus else None
                Path(folder, "go").touch()
                rows = [row for child in children for row in _rows(child.communicate()[0])]
            total = sum(row["images_per_s"] for row in rows)
            used = None if memory is None else memory.used_bytes / 2**30
            print(
                f"{model:8}   128  {n:3} processes   {total:12,.0f}   {len(rows)} answered, {used or 0:.1f} GiB",
                flush=True,
            )
            yield {
                "model": model,
                "batch_size": 128,
                "processes": n,
                "answered": len(rows),
                "images_per_s": total,
                "used_gib": used,
            }


def measure_search(arguments: argparse.Namespace) -> Iterator[Any]:
    """Return trials of ten epochs an hour, none of them pruned, that each side finishes on one search of `cnn`.

    Without our check, which peers do not make, and which compiles every program once before the first trial.
    """
    from search import run_side

    seconds = 20.0 if arguments.quick else SEARCH_SECONDS
    print(f"{'side':24}{'workers':>8}{'epochs':>8}{'trials an hour':>16}{'in the second half':>20}")
    for side, workers in (("tuner", 8), ("keras-tuner-random", 1)):
        run = run_side(
            side, "cnn", 0, seconds, settings=["search.pruner=none"], workers=["-n", str(workers)], checks=False
        )
        late = sum(at > seconds / 2 for at in run.epoch_ends_s)
        row = {
            "side": side,
            "workers": workers,
            "epochs": run.epochs,
            "per_hour": run.epochs / EPOCHS_OF_TRIAL / seconds * 3600,
            "per_hour_in_second_half": late / EPOCHS_OF_TRIAL / (seconds / 2) * 3600,
        }
        print(
            f"{side:24}{workers:8}{run.epochs:8}{row['per_hour']:16.0f}{row['per_hour_in_second_half']:20.0f}",
            flush=True,
        )
        yield row


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Any]]] = {
    "doctor": run_doctor,
    "epochs": measure_epochs,
    "search": measure_search,
    "processes": measure_processes,
    "tests": run_tests,
}


def epochs_of_model(model: str, *, n_images: int) -> None:
    """Print a row for each side at each batch size; runs in a process of its own."""
    from tuner.training.backend import load_backend

    load_backend()
    import jax
    from epochs import BUILDERS, Laps, random_images, run_fit, run_programs

    from tuner.training.plan import TrainingData, TrainingPlan
    from tuner.training.populations.train import Member, train_population
    from tuner.training.session import PROGRAMS, release_memory, seed_everything

    data = random_images(n_images)
    n_of_population = min(n_images, N_IMAGES_OF_POPULATION[model])
    few = random_images(n_of_population)
    build = BUILDERS[model]

    def run_population(k: int, batch_size: int, epochs: int) -> Laps:
        PROGRAMS.clear()
        laps = Laps()
        members = []
        for seed in range(k):
            release_memory()
            seed_everything(seed)
            plan = TrainingPlan(epochs=1 + epochs, batch_size=batch_size, seed=seed)
            # One of them tells the time for all.
            members.append(Member(model=build(), plan=plan, on_epoch=laps.end_epoch if seed == k - 1 else _ignore))
        laps.start_anew()
        for end in train_population(members, TrainingData(train=few, validation=None)):
            if isinstance(end, Exception):
                raise end
        return laps

    for batch_size in BATCH_SIZES:
        fit_rate = None
        sides: list[tuple[str, int, Callable[[], Laps]]] = [
            ("fit", 1, lambda b=batch_size: run_fit(build(), data, b, augmented=False, epochs=3)),
            ("program", 1, lambda b=batch_size: run_programs(build(), data, b, augmented=False, epochs=10)),
            *(
                (f"population {k}", k, lambda k=k, b=batch_size: run_population(k, b, 3))
                for k in POPULATIONS[model, batch_size]
            ),
        ]
        for side, k, run in sides:
            release_memory()
            seed_everything(0)
            row: dict[str, Any] = {"model": model, "batch_size": batch_size, "side": side, "members": k}
            try:
                laps = run()
            except Exception as error:  # noqa: BLE001 - a side that does not fit is a result
                row["error"] = f"{type(error).__name__}: {error}"[:300]
                print(f"{model:8}{batch_size:6}  {side:16}{row['error'][:80]}", file=sys.stderr, flush=True)
            else:
                n = n_images if k == 1 else k * n_of_population
                rate = n / statistics.median(laps.wall[1:])
                fit_rate = fit_rate or rate
                peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0) / 2**30
                row |= {"images_per_s": rate, "of_fit": rate / fit_rate, "first_s": laps.wall[0], "peak_gib": peak}
                row["epochs_s"] = laps.wall
                numbers = f"{rate:12,.0f}{rate / fit_rate:9.1f}{laps.wall[0]:9.1f}{peak:10.2f}"
                print(f"{model:8}{batch_size:6}  {side:16}{numbers}", file=sys.stderr, flush=True)
            print(json.dumps(row), flush=True)


def epochs_of_process(model: str, index: str, *, n_images: int) -> None:
    """Compile, wait for the others, then train for some seconds and print the rate."""
    from tuner.training.backend import load_backend

    load_backend()
    from epochs import BUILDERS, random_images

    from tuner.training.plan import TrainingData, TrainingPlan
    from tuner.training.session import seed_everything
    from tuner.training.train import train

    class TimeIsUpError(Exception):
        pass

    barrier, seconds = Path(os.environ["BARRIER"]), 6.0
    ends: list[float] = []

    def end_epoch(_: object) -> None:
        if not ends:
            (barrier / f"ready-{index}").touch()
            while not (barrier / "go").exists():
                time.sleep(0.01)
        ends.append(time.perf_counter())
        if ends[-1] - ends[0] > seconds:
            raise TimeIsUpError

    seed_everything(int(index))
    plan = TrainingPlan(epochs=100_000, batch_size=128, seed=int(index))
    try:
        train(BUILDERS[model](), TrainingData(train=random_images(n_images), validation=None), plan, on_epoch=end_epoch)
    except TimeIsUpError:
        print(json.dumps({"images_per_s": (len(ends) - 1) * n_images / (ends[-1] - ends[0])}))


CHILDREN: dict[str, Callable[..., None]] = {"epochs": epochs_of_model, "process": epochs_of_process}


def _ignore(_: object) -> None:
    """Told an epoch's result, does nothing."""


def _child(arguments: argparse.Namespace, *words: str) -> list[str]:
    return [__file__, *(["--quick"] if arguments.quick else []), "--child", *words]


def _rows(output: str) -> list[Any]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def _run(part: str, command: list[str], *, echo: bool = False) -> str:
    """Return what the command printed within the part's seconds."""
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
    process = subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=None if echo else subprocess.STDOUT,
        text=True,
    )
    try:
        return process.communicate(timeout=LIMITS[part])[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0] + f"\n{part} took longer than {LIMITS[part]} s"


if __name__ == "__main__":
    main()
