"""What many workers and bad days cost: throughput, outages, deaths and starts, with real processes on a real Postgres.

    PYTHONPATH=tests python bench/fleet.py [--only throughput outage death starts connections costs] [--quick]
    PYTHONPATH=tests python bench/fleet.py --simulate [--recorded]

Prints a line for each and writes `bench/results/fleet.json`. With `--simulate` it measures, in less than five minutes,
what one worker costs and how some fleets do, simulates these fleets and larger ones by those costs, and writes
`fleet-simulation.json`; with `--recorded` by the points that are in that file.
Training is the chaos harness' synthetic one: an epoch sleeps; run, checkpoints, reports, leases and storage are the
product's. `--quick` takes small numbers.
"""

import argparse
import json
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from chaos.fleet import Fleet, Surroundings, Worker
from chaos.studies import insert_chaos_study
from fleet_costs import measure_costs
from fleet_simulation import EPOCH_S, LOOK_S, simulate
from machine import RESULTS, describe_machine
from storage import EPOCHS, measure_clients
from support.postgres import PostgresServer, running_server

from tuner.studies.database.storage import open_storage
from tuner.studies.slots.leases import DEFAULT_LEASE_S


def main() -> None:
    """Measure what was asked for and print as it goes; or simulate."""
    parser = argparse.ArgumentParser(description="What many workers and bad days cost.")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it runs")
    parser.add_argument("--simulate", action="store_true", help="measure some points and simulate larger fleets")
    parser.add_argument("--recorded", action="store_true", help="simulate by the points that were measured last")
    arguments = parser.parse_args()
    if arguments.simulate:
        run_simulation(recorded=arguments.recorded, quick=arguments.quick)
        return
    path = RESULTS / "fleet.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    # Its processes import TensorFlow, which `costs` does not need.
    workers = Fleet() if set(arguments.only) != {"costs"} else nullcontext(Fleet())
    with running_server() as server, workers as fleet:
        for name in arguments.only:
            with tempfile.TemporaryDirectory() as folder:
                measured = MEASUREMENTS[name](fleet, server, Path(folder), arguments.quick)
            print(f"{name}: {json.dumps(measured)}", flush=True)
            result[name] = measured | {"machine": describe_machine()}
    if arguments.quick:
        return
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


def run_simulation(*, recorded: bool, quick: bool) -> None:
    """Measure the points, or take those of the last time, simulate, and write both."""
    path = RESULTS / "fleet-simulation.json"
    points = json.loads(path.read_text())["points"] if recorded else measure_points(quick=quick)
    simulated = {"points": points, **simulate(points, quick=quick)}
    if not quick:
        path.write_text(json.dumps(simulated, indent=2) + "\n")


def measure_points(*, quick: bool) -> dict[str, Any]:
    """Measure what the simulation is given, and what it must repeat, with real processes."""
    points: dict[str, Any] = {"epochs": EPOCHS}
    with running_server() as server, Fleet() as fleet, tempfile.TemporaryDirectory() as folder:
        for name in ("costs", "throughput", "connections"):
            points[name] = MEASUREMENTS[name](fleet, server, Path(folder, name), quick)
            print(f"{name}: {json.dumps(points[name])}", flush=True)
    sizes, trials = ((1, 2), 8) if quick else ((1, 8, 32, 64), 128)
    with running_server(max_connections=400) as server:
        points["clients"] = [measure_clients(server.url(server.create_database()), "tuner", n, trials) for n in sizes]
    return points | {"trials_of_clients": trials, "machine": describe_machine()}


def measure_throughput(fleet: Fleet, server: PostgresServer, folder: Path, quick: bool) -> dict[str, Any]:  # noqa: FBT001 - measurements are called alike
    """Run 32 workers with epochs of one second, and compare with trials that cost nothing but their epochs."""
    n_workers, trials_each, epochs = (4, 2, 3) if quick else (32, 4, 6)
    url = new_study(server, trials=n_workers * trials_each, epochs=epochs)
    workers = start(fleet, url, folder, n_workers, lease_s=DEFAULT_LEASE_S, epoch_s=1.0)
    for worker in workers:
        fleet.wait(worker, 600)
    shares = []
    for worker in workers:
        claims, ends = times_of(worker, "claimed"), times_of(worker, "ended")
        shares.append(len(ends) * epochs * 1.0 / (ends[-1] - claims[0]))
    return {
        "workers": n_workers,
        "trials": sum(len(times_of(worker, "ended")) for worker in workers),
        "of_ideal_trials_per_hour": statistics.fmean(shares),
        "of_ideal_worst_worker": min(shares),
    }


def measure_outage(fleet: Fleet, server: PostgresServer, folder: Path, quick: bool) -> dict[str, Any]:  # noqa: FBT001 - as above
    """Take the database away in the middle of a trial, while another trains in calm on a server of its own."""
    epochs, outage_s, epoch_s = (40, 4.0, 0.25) if quick else (180, 60.0, 0.5)
    with running_server() as shaken:
        calm_url = new_study(server, trials=1, epochs=epochs)
        shaken_url = new_study(shaken, trials=1, epochs=epochs)
        (calm,) = start(fleet, calm_url, folder / "calm", 1, lease_s=DEFAULT_LEASE_S, epoch_s=epoch_s)
        (hit,) = start(fleet, shaken_url, folder / "hit", 1, lease_s=DEFAULT_LEASE_S, epoch_s=epoch_s)
        while len(times_of(hit, "trained")) < epochs // 20:
            fleet.listen(0.05)
        shaken.kill()
        time.sleep(outage_s)
        shaken.start()
        statuses = [fleet.wait(worker, 600) for worker in (calm, hit)]
        training = [times_of(worker, "trained") for worker in (calm, hit)]
        with open_storage(shaken_url) as storage:
            (trial,) = storage.optuna.get_all_trials(1)
    calm_s, hit_s = (trained[-1] - trained[0] for trained in training)
    return {
        "outage_s": outage_s,
        "training_s_calm": calm_s,
        "training_s_with_outage": hit_s,
        "ratio": hit_s / calm_s,
        "reports_lost": epochs - len(trial.intermediate_values),
        "statuses": statuses,
    }


def measure_death(fleet: Fleet, server: PostgresServer, folder: Path, quick: bool) -> dict[str, Any]:  # noqa: FBT001 - as above
    """Kill a worker of which nobody knows that it died, and wait until its trial goes on with another."""
    lease_s = 3.0 if quick else DEFAULT_LEASE_S
    waits = []
    for attempt in range(1 if quick else 3):
        url = new_study(server, trials=2, epochs=10_000)
        doomed, other = start(fleet, url, folder / str(attempt), 2, lease_s=lease_s, epoch_s=0.5)
        while not all(len(times_of(worker, "trained")) > 3 + 2 * attempt for worker in (doomed, other)):
            fleet.listen(0.05)
        (idle,) = start(fleet, url, folder / str(attempt), 1, lease_s=lease_s, epoch_s=0.5)
        while not times_of(idle, "registered"):
            fleet.listen(0.05)
        doomed.send(signal.SIGKILL)
        killed = time.monotonic()
        while not times_of(idle, "claimed"):
            fleet.listen(0.05)
        waits.append(times_of(idle, "claimed")[0] - killed)
        fleet.end_all()
    return {"lease_s": lease_s, "seconds_until_claimed_elsewhere": waits}


def measure_starts(fleet: Fleet, server: PostgresServer, folder: Path, quick: bool) -> dict[str, Any]:  # noqa: FBT001 - as above
    """Start eight workers at once on an empty database, again and again."""
    rounds, failures = 2 if quick else 20, 0
    for attempt in range(rounds):
        url = server.url(server.create_database())
        workers = [fleet.start(Surroundings(storage=url, folder=folder / str(attempt), studies=[])) for _ in range(8)]
        failures += sum(fleet.wait(worker, 60) != 0 for worker in workers)
    return {"rounds": rounds, "workers": 8, "failed_workers": failures}


def measure_connections(fleet: Fleet, server: PostgresServer, folder: Path, quick: bool) -> dict[str, Any]:  # noqa: FBT001 - as above
    """Count the connections that many workers hold while they train."""
    n_workers = 10 if quick else 100
    url = new_study(server, trials=n_workers, epochs=10_000)
    workers = start(fleet, url, folder, n_workers, lease_s=DEFAULT_LEASE_S, epoch_s=EPOCH_S)
    while not all(len(times_of(worker, "trained")) > 1 for worker in workers):
        fleet.listen(0.5)
    watched_from, counts = time.monotonic(), []
    for _ in range(20 if quick else 150):
        ((n_connections,),) = server.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tuner'")
        counts.append(n_connections)
        time.sleep(LOOK_S)
    begun = [times_of(worker, "trained")[0] - EPOCH_S for worker in workers]
    ((allowed,),) = server.execute("SHOW max_connections")
    alive = sum(worker.status is None for worker in workers)
    fleet.end_all()
    return {
        "workers": n_workers,
        "alive": alive,
        "connections_mean": statistics.fmean(counts),
        "connections_most": max(counts),
        "looks": len(counts),
        "allowed": int(allowed),
        # Workers that begin together stay together, as their epochs are of equal length.
        "begun_s": sorted(at - min(begun) for at in begun),
        "watched_from_s": watched_from - min(begun),
    }


def new_study(server: PostgresServer, *, trials: int, epochs: int) -> str:
    """Return the URL of a new database with one study."""
    url = server.url(server.create_database())
    with open_storage(url) as storage:
        insert_chaos_study(storage, trials=trials, epochs=epochs)
    return url


def start(fleet: Fleet, url: str, folder: Path, n_workers: int, *, lease_s: float, epoch_s: float) -> list[Worker]:
    """Start workers for the study."""
    surroundings = Surroundings(storage=url, folder=folder, studies=["chaos"], lease_s=lease_s, epoch_s=epoch_s)
    return [fleet.start(surroundings) for _ in range(n_workers)]


def times_of(worker: Worker, event: str) -> list[float]:
    """Return when, by the monotonic clock, the worker noted these events."""
    return [entry.at for entry in worker.entries if entry.event == event]


#: Name → what measures it.
MEASUREMENTS: dict[str, Callable[[Fleet, PostgresServer, Path, bool], dict[str, Any]]] = {
    "throughput": measure_throughput,
    "outage": measure_outage,
    "death": measure_death,
    "starts": measure_starts,
    "connections": measure_connections,
    "costs": measure_costs,
}


if __name__ == "__main__":
    main()
