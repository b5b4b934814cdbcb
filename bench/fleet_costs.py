"""What one worker costs: CPU of the database and of the worker, connections and bytes, for a trial and for an epoch.

`bench/fleet.py --only costs` calls it. CPU seconds are those of processes, which other work on the machine lengthens
little; everything else is counted.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from chaos.fleet import Fleet
from fleet_simulation import Cost
from storage import EPOCHS, claim, counted, draw, epoch_result, fill, make_study, outcome_of
from support.postgres import PostgresServer

from tuner.studies.database.schema import database_time, slots
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.fleet import register_worker, update_worker
from tuner.studies.lifecycle import find_study_by_uid
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot, renew_lease
from tuner.studies.slots.reaping import reap_expired_leases
from tuner.studies.trials import close_ended_trials, open_trial

#: No lease of these measurements expires.
_LEASE_S = 100_000.0


def measure_costs(_: Fleet, server: PostgresServer, __: Path, quick: bool) -> dict[str, Any]:  # noqa: FBT001 - measurements are called alike
    """Measure the calls of a worker to the database, one by one."""
    n, few = (20, 10) if quick else (60, 15)
    calls, counts = measure_calls(server, n=n, few=few)
    costs = {name: asdict(cost) for name, cost in calls.items()}
    return costs | counts | measure_bytes(server, n_trials=100 if quick else 2_000)


def measure_calls(server: PostgresServer, *, n: int, few: int) -> tuple[dict[str, Cost], dict[str, float]]:
    """Measure claims, trials, epochs, heartbeats and connections of one process, in turn, and count statements."""
    url = server.url(server.create_database())
    costs = {}
    with open_storage(url) as storage:
        make_study(storage, trials=8 * n + 1_500)
        register_worker(storage, worker_id="bench", host="here", device="cpu", pid=1)
        costs["trial"] = measured(server, lambda: run_trial(storage, epochs=0), few)
        costs["epoch"] = (measured(server, lambda: run_trial(storage, epochs=EPOCHS), few) - costs["trial"]) / EPOCHS
        with counted(storage.engine) as statements:
            run_trial(storage, epochs=0)
            of_trial = len(statements)
            run_trial(storage, epochs=EPOCHS)
        counts = {"statements_of_trial": of_trial, "statements_of_epoch": (len(statements) - 2 * of_trial) / EPOCHS}
        with open_storage(url) as other:
            costs["other_trial"] = measure_other_trials(server, storage, other, few)
        costs["claim"] = measured(server, lambda: claim(storage), n)
        costs["heartbeat"] = measured(server, lambda: send_heartbeat(storage), n)
        lease_to_others(storage, 1_000)
        costs["claim_of_1000"] = measured(server, lambda: claim(storage), n)
        costs["heartbeat_of_1000"] = measured(server, lambda: send_heartbeat(storage), n)
        costs["connection"] = measured(server, lambda: connect(storage), n)
    return costs, counts


def run_trial(storage: Storage, *, epochs: int) -> None:
    """Claim, draw, store each epoch by itself and end, as a worker does whose epochs take more than a second."""
    lease = claim_slot(storage, owner="bench", lease_s=_LEASE_S)
    if lease is None:
        raise RuntimeError("no slot waits")
    study = find_study_by_uid(storage, lease.study_uid)
    assert study is not None  # noqa: S101 - it was made above
    trial, scores = open_trial(storage, study, lease)
    draw(trial)
    for epoch in range(1, epochs + 1):
        # Better from trial to trial, so that the pruner looks and stops none.
        result = epoch_result(epoch, 1 - 1 / (2 + trial.number + epoch))
        fresh = scores.unstored(scores.read([result]))
        renew_lease(storage, lease, epoch=epoch, lease_s=_LEASE_S, trial_id=scores.trial_id, scores=fresh)
        scores.remember(fresh)
        if scores.decides_after(epoch):
            scores.should_prune(epoch)
    end_slot(storage, lease, outcome_of("complete"))
    close_ended_trials(storage)


def measure_other_trials(server: PostgresServer, storage: Storage, other: Storage, n: int) -> Cost:
    """Measure what it adds to a trial that other workers have ended trials since the last one."""
    n_others = 10
    rounds = max(3, n // n_others)
    alone = measured(server, lambda: run_trial(storage, epochs=0), rounds)
    total = Cost(worker_ms=0, server_ms=0)
    for _ in range(rounds):
        for _ in range(n_others):
            run_trial(other, epochs=0)
        total = total - (alone - measured(server, lambda: run_trial(storage, epochs=0), 1))
    return total / (rounds * n_others)


def send_heartbeat(storage: Storage) -> None:
    """Do what a worker does every third of a lease, beside renewing its lease, which an epoch's cost holds."""
    update_worker(storage, "bench", state="training")
    reap_expired_leases(storage, lease_s=_LEASE_S)


def lease_to_others(storage: Storage, n: int) -> None:
    """Let other workers hold so many slots."""
    waiting = sa.select(slots.c.id).where(slots.c.state == "waiting").order_by(slots.c.id).limit(n)
    leased = {"state": "leased", "owner": "other", "expires_at": database_time() + _LEASE_S}
    with storage.engine.begin() as connection:
        connection.execute(sa.update(slots).where(slots.c.id.in_(waiting)).values(leased))


def connect(storage: Storage) -> None:
    """Open and close a connection."""
    storage.close_idle_connections()
    with storage.engine.connect():
        pass


def measured(server: PostgresServer, call: Callable[[], object], n: int) -> Cost:
    """Return the cost of a call, the mean of `n`."""
    call()
    before = used(server, psutil.Process())
    for _ in range(n):
        call()
    return (used(server, psutil.Process()) - before) / n


def used(server: PostgresServer, *workers: psutil.Process) -> Cost:
    """Return what these processes, and the server with the processes that it has had, have used so far."""
    postmaster = psutil.Process(server.pid)
    times = postmaster.cpu_times()
    # The server waits for its ended processes: their time is in those of its children.
    server_s = times.user + times.system + times.children_user + times.children_system
    for child in postmaster.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            own = child.cpu_times()
            server_s += own.user + own.system
    worker_s = sum(own.user + own.system for own in (worker.cpu_times() for worker in workers))
    return Cost(worker_ms=1e3 * worker_s, server_ms=1e3 * server_s)


def measure_bytes(server: PostgresServer, *, n_trials: int) -> dict[str, float]:
    """Return the bytes in tables and indexes of a finished trial with its epochs."""
    name = server.create_database()
    curve = [asdict(epoch_result(epoch, 0.987654321)) for epoch in range(1, EPOCHS + 1)]
    with open_storage(server.url(name)) as storage:
        before = _size(server, name)
        study = make_study(storage, trials=n_trials)
        fill(storage, study, n_trials)
        with storage.engine.begin() as connection:
            connection.execute(sa.update(slots).values(curve=curve))
        return {"bytes_of_trial": (_size(server, name) - before) / n_trials, "epochs_of_that_trial": EPOCHS}


def _size(server: PostgresServer, name: str) -> int:
    """Return the bytes of the rows that a database has, and of their indexes."""
    server.execute("VACUUM FULL", database=name)
    ((size,),) = server.execute(f"SELECT pg_database_size('{name}')")
    return int(size)
