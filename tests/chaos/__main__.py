"""Kill workers and their database until a study is done, then check that nothing was lost.

    PYTHONPATH=tests python -m chaos --seed 1 --workers 4 --trials 60 --epochs 6 --kills 40 --restarts 5

runs on a Postgres of its own; `--sqlite` on a file, with two workers and no restarts; `--at-once 4` with workers that
hold four leases, and lose single ones of them. Ends with status 1 when an invariant does not hold, naming it and the
command that runs the same faults again.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from support.postgres import PostgresServer, running_server

from chaos.fleet import Fleet
from chaos.proxy import FaultyProxy
from chaos.rounds import RoundSettings, Verdict, run_round
from tuner.studies.database.storage import open_storage
from tuner.studies.records.reading import load_study


def main() -> None:
    """Run one round for each seed."""
    arguments = _parse()
    failed = False
    with Fleet() as fleet:
        for seed in range(arguments.seed, arguments.seed + arguments.rounds):
            settings = RoundSettings(
                seed=seed,
                n_workers=arguments.workers,
                trials=arguments.trials,
                epochs=arguments.epochs,
                kills=arguments.kills,
                restarts=0 if arguments.sqlite or arguments.storage else arguments.restarts,
                lease_s=arguments.lease_s,
                epoch_s=arguments.epoch_s,
                real_keras=arguments.real_keras,
                sqlite=arguments.sqlite,
                studies=arguments.studies,
                objectives=arguments.objectives,
                at_once=arguments.at_once,
                limit_s=arguments.limit_s,
            )
            folder = Path(tempfile.mkdtemp(prefix=f"tuner-chaos-{seed}-"))
            verdict = _run(settings, fleet, folder, url=arguments.storage)
            _print(settings, verdict, folder)
            failed |= bool(verdict.violations)
            if not verdict.violations and not arguments.keep:
                shutil.rmtree(folder)
    sys.exit(failed)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="draws the faults and the study")
    parser.add_argument("--rounds", type=int, default=1, help="seeds in a row")
    parser.add_argument("--workers", type=int, default=None, help="4, or 2 on SQLite")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--kills", type=int, default=40, help="kill -9, half of them at named points")
    parser.add_argument("--restarts", type=int, default=5, help="of Postgres, by turns kill -9 and immediate")
    parser.add_argument("--lease-s", type=float, default=3.0)
    parser.add_argument("--limit-s", type=float, default=300.0, help="in which the study must be done")
    parser.add_argument("--epoch-s", type=float, default=1 / 6, help="of a synthetic epoch")
    parser.add_argument("--real-keras", action="store_true", help="train a small net instead of sleeping")
    parser.add_argument("--sqlite", action="store_true", help="on an SQLite file, without restarts")
    parser.add_argument("--objectives", action="store_true", help="with the latency as a second objective")
    parser.add_argument("--at-once", type=int, default=1, help="trials that a worker leases and trains together")
    parser.add_argument("--studies", type=int, default=1, help="that share the trials and the workers")
    parser.add_argument("--storage", help="a database of yours, without a study named chaos; it is not restarted")
    parser.add_argument("--keep", action="store_true", help="keep journals and logs also when all holds")
    parser.add_argument("--quick", action="store_true", help="one small round")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.trials, arguments.kills, arguments.restarts = 20, 12, 2
    if arguments.studies > 1 and arguments.real_keras:
        parser.error("--studies and --real-keras: undisturbed curves are computed of synthetic training alone")
    if arguments.at_once > 1 and arguments.real_keras and os.environ.get("KERAS_BACKEND") != "jax":
        parser.error("--at-once and --real-keras: several nets are programs of JAX; set KERAS_BACKEND=jax")
    arguments.workers = arguments.workers or (2 if arguments.sqlite else 4)
    return arguments


def _run(settings: RoundSettings, fleet: Fleet, folder: Path, *, url: str | None) -> Verdict:
    # Of those that are trained together, each is trained again, alone.
    is_known_before = settings.real_keras and settings.at_once == 1
    expected = _calm_curves(settings, fleet, folder / "calm") if is_known_before else None
    if settings.sqlite or url:
        return run_round(settings, fleet, url=url or f"sqlite:///{folder}/tuner.db", folder=folder, expected=expected)
    with _postgres() as (server, direct), FaultyProxy(server.port) as proxy:
        return run_round(settings, fleet, url=direct, folder=folder, server=server, proxy=proxy, expected=expected)


def _calm_curves(settings: RoundSettings, fleet: Fleet, folder: Path) -> Mapping[int, Sequence[float]]:
    """Train the same study without a fault, as real training's curves cannot be computed otherwise."""
    calm = replace(settings, kills=0, restarts=0, n_workers=1)
    folder.mkdir()
    url = f"sqlite:///{folder}/tuner.db"
    run_round(calm, fleet, url=url, folder=folder, expected={number: [] for number in range(settings.trials)})
    with open_storage(url) as storage:
        trials = load_study(storage, "chaos").trials
    return {trial.number: [epoch.val_accuracy or 0.0 for epoch in trial.curve] for trial in trials}


@contextlib.contextmanager
def _postgres() -> Iterator[tuple[PostgresServer, str]]:
    with running_server() as server:
        yield server, server.url(server.create_database())


def _print(settings: RoundSettings, verdict: Verdict, folder: Path) -> None:
    print(json.dumps({"seed": settings.seed, **asdict(verdict)}))
    if verdict.violations:
        print("\n".join(verdict.violations), file=sys.stderr)
        print(f"Journals and logs: {folder}\nAgain: {settings.command()}", file=sys.stderr)


if __name__ == "__main__":
    main()
