"""Run a pool: the worker processes of this machine, each on its share. Imports no Keras."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

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
from tuner.training.forking import ForkServer
from tuner.workers.autoscaling import GpuScaler
from tuner.workers.forked import open_fork_server
from tuner.workers.lifetime import MAX_SLOTS
from tuner.workers.processes import WorkerProcesses, prepare_workers
from tuner.workers.shares import DeviceShare, divide_machine

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Follow(Protocol):
    """Opens a function that the pool calls about twice a second while workers run."""

    def __call__(
        self, storage: Storage, studies: Sequence[str], *, n_workers: int
    ) -> AbstractContextManager[Callable[[], None]]: ...


def follow_silently(*_: object, **__: object) -> AbstractContextManager[Callable[[], None]]:
    """Show nothing."""
    return nullcontext(lambda: None)


def run_pool(
    settings: Settings,
    studies: Sequence[str],
    *,
    n_workers: int | None = None,
    per_gpu: int | None = 1,
    device: str = "auto",
    until_done: bool = False,
    max_slots: int | None = None,
    follow: Follow = follow_silently,
    again: str | None = None,
    metrics: "Metrics | None" = None,
    options: Sequence[str] = (),
    server: ForkServer | None = None,
) -> int:
    """Run workers for the named studies, or for all studies; return the exit status.

    With `until_done` no worker is started for studies that have all ended. If both `per_gpu` and `n_workers` are None,
    the number of workers per GPU is chosen by measurement.

    Args:
        settings: The locations of database, data and artifacts.
        studies: Names of existing studies; empty means all studies.
        n_workers: Number of workers; None for one per share of the machine.
        per_gpu: Number of workers that share a GPU.
        device: `cpu`, `gpu:N` or `auto`.
        until_done: End when the studies are done or stopped.
        max_slots: See `Lifetime`.
        follow: Shows people what the workers are doing.
        again: What they type to continue after a signal, if it is no command.
        metrics: Where Prometheus finds metrics.
        options: Further options of each `tuner worker`.
        server: From which they are forked, if the caller has started it early and will close it; None starts one here.

    Raises:
        TunerError: A study is unknown, or the machine has no such device or no backend.
    """
    refuse_without_backend()
    with open_storage(settings.storage) as storage:
        found = find_studies(storage, studies)
    if until_done and are_over(found):
        return 0
    shares = divide_machine(n_workers, per_gpu=per_gpu or 1, device=device)
    with nullcontext(server) if server is not None else open_fork_server(settings, shares[0]) as forking:
        return run_shares(
            settings,
            studies,
            shares,
            measures=per_gpu is None and n_workers is None and shares[0].device != "cpu",
            options=[*worker_options(until_done=until_done, max_slots=max_slots), *options],
            log_dir=settings.home / "logs",
            follow=follow,
            again=again,
            metrics=metrics,
            server=forking,
        )


def are_over(studies: Sequence[Study]) -> bool:
    """Say whether all of at least one study have ended: each worker would import Keras, and end."""
    return bool(studies) and all(study.state in {"done", "stopped"} for study in studies)


def run_shares(
    settings: Settings,
    studies: Sequence[str],
    shares: Sequence[DeviceShare],
    *,
    measures: bool = False,
    options: Sequence[str] = (),
    log_dir: Path,
    follow: Follow = follow_silently,
    again: str | None = None,
    metrics: "Metrics | None" = None,
    server: ForkServer | None = None,
    started: WorkerProcesses | None = None,
) -> int:
    """Run a worker on each of these shares of the machine; return the exit status.

    Args:
        settings: The locations of database, data and artifacts.
        studies: Names of existing studies; empty means all studies.
        shares: One for each worker.
        measures: Add workers to the GPUs while throughput rises.
        options: Further options of `tuner worker`.
        log_dir: Folder of the workers' logs.
        follow: Shows people what the workers are doing.
        again: What they type to continue after a signal, if it is no command.
        metrics: Where Prometheus finds metrics.
        server: From which the workers are forked; None starts each afresh.
        started: Those workers, if the caller has started them early.
    """
    # Options first: `ps` cuts long lists of studies off, and an option may be by what a worker is recognized.
    processes = started or prepare_workers(
        settings,
        [*options, *studies],
        shares,
        log_dir=log_dir,
        server=server,
        shares_counters=metrics is not None,
    )
    with open_storage(settings.storage) as storage:
        scaler = GpuScaler(storage, shares) if measures else None
        keeper = _Keeper(storage, settings.lease_s or DEFAULT_LEASE_S)
        processes.on_death, processes.on_signal = keeper.free_slots_of, expect_answers_soon
        with _served(metrics, storage), follow(storage, studies, n_workers=len(shares)) as show:

            def tick() -> None:
                keeper.tidy_up()
                if scaler is not None:
                    _ask(lambda: scaler.look(processes))
                _ask(show)

            status = processes.run(tick)
        _print_end(again or f"tuner workers {' '.join([*studies, '--until-done'])}", processes, status)
    return status


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Where a pool serves metrics for Prometheus."""

    host: str
    port: int
    #: Told the port once it is served, as port 0 takes any free one.
    on_serving: Callable[[int], None]


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


def worker_options(*, until_done: bool, max_slots: int | None) -> list[str]:
    """Return the options with which a pool starts `tuner worker`."""
    return ["--max-slots", str(max_slots or MAX_SLOTS), *(["--until-done"] if until_done else [])]


def _print_end(again: str, processes: WorkerProcesses, status: int) -> None:
    if status in {130, 143}:
        sys.stderr.write(f"Stopped. Nothing is lost: continue with `{again}`.\n")
    elif status:
        sys.stderr.write(f"{processes.last_log_line()}\nA worker failed; its log is in {processes.log_dir}.\n")
