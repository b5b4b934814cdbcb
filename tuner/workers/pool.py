"""Run a pool: the worker processes of this machine, each on its share. Imports no Keras."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from tuner.forking.client import ForkServer
from tuner.settings import Settings
from tuner.studies.database.errors import DatabaseAwayError, DatabaseUnusableError
from tuner.studies.database.outages import expect_answers_soon
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.fleet import note_kill
from tuner.studies.lifecycle import Study, find_studies
from tuner.studies.slots.leases import DEFAULT_LEASE_S, release_owned
from tuner.studies.slots.reaping import reap_expired_leases
from tuner.studies.trials import close_ended_trials, end_orphans
from tuner.training.backend import refuse_without_backend
from tuner.workers.autoscaling import GpuScaler
from tuner.workers.forked import open_fork_server, prepare_workers
from tuner.workers.processes import WorkerProcesses
from tuner.workers.shares import DeviceShare, MachinePlaces
from tuner.workers.work import Metrics, Watch, Work

_log = logging.getLogger(__name__)

T = TypeVar("T")

_UNWATCHED = Watch()


def run_pool(
    settings: Settings,
    work: Work,
    places: MachinePlaces,
    *,
    watch: Watch = _UNWATCHED,
    server: ForkServer | None = None,
) -> int:
    """Run workers on this machine; return the exit status.

    No worker is started for work until studies are done that have all ended.

    Args:
        settings: The locations of database, data and artifacts.
        work: What the workers do.
        places: How the machine is divided among them.
        watch: Shows people what they are doing.
        server: From which they are forked, if the caller has started it early and will close it; None starts one here.

    Raises:
        TunerError: A study is unknown, or the machine has no such device or no backend.
    """
    refuse_without_backend()
    with open_storage(settings.storage) as storage:
        found = find_studies(storage, work.studies)
    if work.until_done and are_over(found):
        return 0
    shares = places.divide()
    with nullcontext(server) if server is not None else open_fork_server(settings, shares[0]) as forking:
        return run_shares(
            settings,
            work,
            shares,
            measures=places.is_measured and shares[0].device != "cpu",
            log_dir=settings.home / "logs",
            watch=watch,
            server=forking,
        )


def are_over(studies: Sequence[Study]) -> bool:
    """Say whether all of at least one study have ended: each worker would import Keras, and end."""
    return bool(studies) and all(study.state in {"done", "stopped"} for study in studies)


def run_shares(
    settings: Settings,
    work: Work,
    shares: Sequence[DeviceShare],
    *,
    log_dir: Path,
    measures: bool = False,
    watch: Watch = _UNWATCHED,
    server: ForkServer | None = None,
    started: WorkerProcesses | None = None,
) -> int:
    """Run a worker on each of these shares of the machine; return the exit status.

    Args:
        settings: The locations of database, data and artifacts.
        work: What the workers do.
        shares: One for each worker.
        log_dir: Folder of the workers' logs.
        measures: Add workers to the GPUs while throughput rises.
        watch: Shows people what they are doing.
        server: From which the workers are forked; None starts each afresh.
        started: Those workers, if the caller has started them early.
    """
    processes = started or prepare_workers(
        settings, work, shares, log_dir=log_dir, server=server, shares_counters=watch.metrics is not None
    )
    with open_storage(settings.storage) as storage:
        scaler = GpuScaler(storage, shares) if measures else None
        keeper = _Keeper(storage, settings.lease_s or DEFAULT_LEASE_S)
        processes.on_death, processes.on_signal = keeper.free_slots_of, expect_answers_soon
        with _served(watch.metrics, storage), watch.follow(storage, work.studies, n_workers=len(shares)) as show:

            def tick() -> None:
                keeper.tidy_up()
                if scaler is not None:
                    _ask(lambda: scaler.look(processes))
                _ask(show)

            status = processes.run(tick)
        again = watch.again or f"tuner workers {' '.join([*work.studies, '--until-done'])}"
        _print_end(again, processes, status)
    return status


@contextmanager
def _served(metrics: Metrics | None, storage: Storage) -> Iterator[None]:
    if metrics is None:
        yield
        return
    # prometheus-client takes a tenth of a second to import.
    from tuner.workers.metrics import serving_metrics

    with serving_metrics(storage, host=metrics.host, port=metrics.port) as port:
        metrics.on_serving(port)
        yield


class _Keeper:
    """Releases the slots of vanished workers, also while every worker of this machine trains."""

    def __init__(self, storage: Storage, lease_s: float) -> None:
        self._storage = storage
        self._lease_s = lease_s
        self._next_look = 0.0

    def free_slots_of(self, worker_id: str, status: int) -> bool:
        """Release the slot of a worker that has died; return whether it had one."""
        if status < 0:
            # Before the slot is free, because the worker that claims it next counts the kills.
            _ask(lambda: note_kill(self._storage, worker_id, signal=-status))
        return bool(_ask(lambda: release_owned(self._storage, worker_id)))

    def tidy_up(self) -> None:
        """Reap expired leases, close ended trials and end orphans, six times in the life of a lease."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + self._lease_s / 6
            _ask(lambda: reap_expired_leases(self._storage, lease_s=self._lease_s))
            _ask(lambda: close_ended_trials(self._storage))
            _ask(lambda: end_orphans(self._storage))


def _ask(call: Callable[[], T]) -> T | None:
    """Call; return None if the database does not answer, because the pool must continue to watch its processes."""
    try:
        return call()
    except (DatabaseAwayError, DatabaseUnusableError) as error:
        _log.debug("The database failed; the pool continues: %s", error)
        return None


def _print_end(again: str, processes: WorkerProcesses, status: int) -> None:
    if status in {130, 143}:
        sys.stderr.write(f"Stopped. Nothing is lost: continue with `{again}`.\n")
    elif status:
        sys.stderr.write(f"{processes.last_log_line()}\nA worker failed; its log is in {processes.log_dir}.\n")
