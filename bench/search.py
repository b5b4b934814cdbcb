"""The same search by tuner and by its peers: one KerasTuner HyperModel, real MNIST, the same cores, the same time.

    python bench/search.py --net mlp --seconds 240 --seeds 3
    python bench/search.py --quick                            one minute: a look, no result

Every side has all cores of the machine and the time from its process' start to its end, imports included. What each
epoch came to is logged by the HyperModel itself (`bench/searching/nets.py`), so that all sides are measured alike.
Prints a table and writes `bench/results/search-NET-SECONDS.json`. The peer `ray` takes part where Ray is installed.
"""

import argparse
import importlib.util
import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import RESULTS, describe_machine

HERE = Path(__file__).parent
#: Classes of `bench/searching/nets.py`.
NETS = {"mlp": "Mlp", "cnn": "Cnn", "digit-recognizer": "DigitRecognizer"}
PEERS = ("keras-tuner-random", "keras-tuner-hyperband", "keras-tuner-bayesian", "optuna", "ray")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one side came to in its time."""

    side: str
    seed: int
    trials: int
    epochs: int
    #: Seconds from the start, and the best validation accuracy from then on.
    improvements: list[tuple[float, float]]
    #: Seconds from the start to the end of each epoch.
    epoch_ends_s: list[float]

    @property
    def best(self) -> float:
        return self.improvements[-1][1] if self.improvements else 0.0

    def seconds_to(self, accuracy: float) -> float | None:
        """Return when this validation accuracy was reached; None for never."""
        return next((at for at, reached in self.improvements if reached >= accuracy), None)


def main() -> None:
    """Run all sides in turns and print what they came to."""
    arguments = parse_arguments()
    runs: list[Run] = []
    print(
        f"{'side':24} {'seed':>4} {'trials':>7} {'epochs':>7} {'best':>8}   best after a third of the time", flush=True
    )
    for seed in range(arguments.seeds):
        for side in ("tuner", *arguments.peers):
            run = run_side(side, arguments.net, seed, arguments.seconds)
            runs.append(run)
            early = max((reached for at, reached in run.improvements if at <= arguments.seconds / 3), default=0.0)
            print(f"{side:24} {seed:4} {run.trials:7} {run.epochs:7} {run.best:8.2%} {early:8.2%}", flush=True)
    summary = [summarise(runs, seed, arguments.seconds) for seed in range(arguments.seeds)]
    for row in summary:
        reached = "never" if row["tuner_seconds"] is None else f"after {row['tuner_seconds']:.0f} s"
        print(
            f"seed {row['seed']}: the best peer, {row['peer']}, ends with {row['accuracy']:.2%}; tuner has it {reached}"
        )
    ratio = statistics.median(row["ratio"] for row in summary)
    print(f"the peers' time divided by tuner's, median: {ratio:.2f}")
    if not arguments.quick:
        RESULTS.mkdir(exist_ok=True)
        result = {
            "net": arguments.net,
            "seconds": arguments.seconds,
            "machine": describe_machine(),
            "median_ratio": ratio,
            "summary": summary,
            "runs": [vars(run) for run in runs],
        }
        file = RESULTS / f"search-{arguments.net}-{arguments.seconds:.0f}s.json"
        file.write_text(json.dumps(result, indent=1) + "\n")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", choices=["mlp", "cnn"], default="mlp")
    parser.add_argument("--seconds", type=float, help="for each side; default 240 for mlp, 600 for cnn")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peers", nargs="+", choices=PEERS)
    parser.add_argument("--quick", action="store_true", help="mlp, one seed, two peers, 30 s each")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.net, arguments.seconds, arguments.seeds = "mlp", 30.0, 1
        arguments.peers = arguments.peers or ["keras-tuner-random", "optuna"]
    arguments.seconds = arguments.seconds or {"mlp": 240.0, "cnn": 600.0}[arguments.net]
    if arguments.peers is None:
        arguments.peers = [peer for peer in PEERS if peer != "ray" or importlib.util.find_spec("ray")]
    return arguments


def run_side(
    side: str,
    net: str,
    seed: int,
    seconds: float,
    *,
    settings: Sequence[str] = (),
    workers: Sequence[str] = (),
    checks: bool = True,
) -> Run:
    """Let one side search for so long, in a folder of its own, and read its log.

    Args:
        side: `tuner` or one of `PEERS`.
        net: A key of `NETS`.
        seed: Of the search and of the split.
        seconds: From the start of its first process.
        settings: Of tuner's study, as in `search.pruner=none`.
        workers: Options of `tuner workers`.
        checks: Whether tuner's time begins with the check of the new study, which the peers do not make.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{side}-"))
    log = folder / "log.jsonl"
    search_path = os.pathsep.join([str(HERE / "searching"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "BENCH_LOG": str(log), "PYTHONPATH": search_path, "TF_CPP_MIN_LOG_LEVEL": "2"}
    try:
        started = time.time()
        with (folder / "output.txt").open("w") as output:
            process = subprocess.Popen(
                tuner_command(net, seed, settings, workers, checks=checks)
                if side == "tuner"
                else peer_command(side, net, seed, folder),
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            stopped = end_after(process, started + seconds)
        if not stopped and process.returncode != 0:
            raise SystemExit(f"{side} ended with status {process.returncode}:\n{(folder / 'output.txt').read_text()}")
        return read_log(log, side=side, seed=seed, started=started, seconds=seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def peer_command(side: str, net: str, seed: int, folder: Path) -> list[str]:
    """Return the command line of a peer's script."""
    peers = str(HERE / "searching" / "peers.py")
    return [sys.executable, peers, side, "--net", net, "--seed", str(seed), "--folder", str(folder)]


def tuner_command(
    net: str, seed: int, settings: Sequence[str], workers: Sequence[str], *, checks: bool = True
) -> list[str]:
    """Return what a person would type: create the study, then run its workers."""
    tuner = [sys.executable, "-m", "tuner", "--storage", "sqlite:///tuner.db"]
    # Peers do not begin with the default either.
    own = ["search.start_with_defaults=false", "finals.top=0", *settings]
    create = [*tuner, "study", "create", "--space", f"nets:{NETS[net]}", "--name", "search"]
    create += ["--trials", "100000", "--epochs", "10", "--seed", str(seed)]
    create += [word for setting in own for word in ("--set", setting)]
    create += [] if checks else ["--no-check"]
    return ["bash", "-c", f"{shlex.join(create)} && exec {shlex.join([*tuner, 'workers', *workers])}"]


def end_after(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Stop the process and all that it has started when its time is over; return whether it ran until then."""
    try:
        process.wait(timeout=max(0.0, deadline - time.time()))
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return True


def read_log(log: Path, *, side: str, seed: int, started: float, seconds: float) -> Run:
    """Count what was done in time, and when the best became better."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    in_time = sorted((line for line in lines if line["at"] - started <= seconds), key=lambda line: line["at"])
    epochs = [line for line in in_time if line["event"] == "epoch"]
    improvements: list[tuple[float, float]] = []
    for line in epochs:
        if not improvements or line["val_accuracy"] > improvements[-1][1]:
            improvements.append((line["at"] - started, line["val_accuracy"]))
    trials = sum(line["event"] == "trial" for line in in_time)
    return Run(
        side=side,
        seed=seed,
        trials=trials,
        epochs=len(epochs),
        improvements=improvements,
        epoch_ends_s=[line["at"] - started for line in epochs],
    )


def summarise(runs: list[Run], seed: int, seconds: float) -> dict[str, Any]:
    """Say when tuner had what the seed's best peer had at its end; a ratio of 0 stands for never."""
    mine = next(run for run in runs if run.side == "tuner" and run.seed == seed)
    peer = max((run for run in runs if run.side != "tuner" and run.seed == seed), key=lambda run: run.best)
    reached = mine.seconds_to(peer.best)
    return {
        "seed": seed,
        "peer": peer.side,
        "accuracy": peer.best,
        "tuner_best": mine.best,
        "tuner_seconds": reached,
        "peer_seconds": peer.seconds_to(peer.best),
        "ratio": 0.0 if reached is None else seconds / reached,
    }


if __name__ == "__main__":
    main()
