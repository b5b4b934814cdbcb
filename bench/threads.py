"""How to divide a machine's cores among workers: one worker with all cores against one worker a core, for each family.

    python bench/threads.py [--seconds 20] [--rounds 3] [--quick]

Each worker process has the environment and the cores that `tuner workers -n N` would give it, and trains the family's
default on noise of MNIST's size, batch 64. Counted are the images of all workers together, after a first epoch that
is not; both divisions in turns. Prints a table and writes `bench/results/threads.json`; the pool's own choice is in
`tuner/workers/shares.py`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from machine import RESULTS, describe_machine

from tuner.workers.shares import divide_machine

FAMILIES = ("mlp", "cnn", "resnet")
#: Images an epoch: few enough that a worker ends soon after its time is over.
IMAGES = {"mlp": 12_800, "cnn": 1_280, "resnet": 640}


def main() -> None:
    """Measure each family, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of 5 s: a look, no result")
    parser.add_argument("--train", choices=FAMILIES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        train_for(arguments.train, arguments.seconds)
        return
    seconds, rounds = (5.0, 1) if arguments.quick else (arguments.seconds, arguments.rounds)
    n_cores = len(os.sched_getaffinity(0))
    rows = []
    print(f"images a second{'one worker, all cores':>28}{f'{n_cores} workers, a core each':>28}{'ratio':>8}")
    for family in FAMILIES:
        speeds: dict[int, list[float]] = {1: [], n_cores: []}
        for _ in range(rounds):
            for n_workers, measured in speeds.items():
                measured.append(measure(family, n_workers, seconds))
        one, many = (statistics.median(measured) for measured in speeds.values())
        rows.append(
            {"family": family, "one_worker": speeds[1], "a_worker_a_core": speeds[n_cores], "ratio": many / one}
        )
        print(f"{family:15}{one:28.0f}{many:28.0f}{many / one:8.2f}", flush=True)
    if not arguments.quick:
        result = {"machine": describe_machine(), "cores": n_cores, "seconds": seconds, "rows": rows}
        (RESULTS / "threads.json").write_text(json.dumps(result, indent=1) + "\n")


def measure(family: str, n_workers: int, seconds: float) -> float:
    """Return the images a second of so many workers together."""
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--train", family, "--seconds", str(seconds)],
            env={**os.environ, **share.environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda cores=share.cores: os.sched_setaffinity(0, cores),  # noqa: PLW1509 - no threads here
        )
        for share in divide_machine(n_workers, device="cpu")
    ]
    pipes = [(process.stdin, process.stdout) for process in processes if process.stdin and process.stdout]
    for _, answers in pipes:
        # Its first epoch is over.
        answers.readline()
    for orders, _ in pipes:
        orders.write("go\n")
        orders.flush()
    return sum(float(process.communicate()[0]) for process in processes)


def train_for(family: str, seconds: float) -> None:
    """Be a worker: train one epoch, say so, wait, train for so long, and say how many images a second that was."""
    from epochs import random_images

    from tuner.spaces.registry import fixed_hyperparameters, open_space
    from tuner.training.plan import TrainingData, TrainingPlan
    from tuner.training.session import seed_everything
    from tuner.training.train import train

    images = random_images(IMAGES[family])
    seed_everything(0)
    model = open_space(family).build(fixed_hyperparameters({}), images.image_format)
    started = 0.0
    epochs = 0

    class TimeIsOver(Exception):  # noqa: N818 - no error
        pass

    def end_epoch(_: object) -> None:
        nonlocal started, epochs
        if not started:
            print("ready", flush=True)
            sys.stdin.readline()
            started = time.perf_counter()
            return
        epochs += 1
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            print(epochs * len(images) / elapsed, flush=True)
            raise TimeIsOver

    plan = TrainingPlan(epochs=100_000, batch_size=64, seed=0)
    try:
        train(model, TrainingData(train=images, validation=None), plan, on_epoch=end_epoch)
    except TimeIsOver:
        return


if __name__ == "__main__":
    main()
