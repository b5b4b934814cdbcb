"""Metrics for Prometheus: of the database, of this machine's GPUs, and of the processes of a pool.

| metric | labels | from |
|---|---|---|
| `tuner_database_up` | | whether the database answered this scrape; without it the next ones are missing |
| `tuner_trials` | study, state | the database |
| `tuner_finals_jobs` | study, state | the database: confirmations, retrainings, ensembles |
| `tuner_waiting_slots`, `tuner_leased_slots` | study | the database: search and finals |
| `tuner_study_epochs` | study | the database: epochs of all trials and jobs that exist |
| `tuner_workers` | state | the database: workers of all machines |
| `tuner_gpu_memory_used_bytes`, `tuner_gpu_memory_total_bytes` | gpu, name | the driver, in a pool |
| those of `tuner.counters` | | the processes of a pool |
"""

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from tuner.counters import SHARED_FOLDER, share_counters
from tuner.errors import TunerError
from tuner.studies.database.errors import DatabaseAwayError, DatabaseUnusableError
from tuner.studies.database.storage import Storage
from tuner.studies.fleet import WorkerRecord, read_workers
from tuner.studies.slot_counts import SlotCount, count_slots
from tuner.training.gpus import list_gpus, read_memory


class MetricsAddressError(TunerError):
    """The metrics cannot be served there."""


@dataclass(frozen=True)
class DatabaseCollector(Collector):
    """What the database says of studies and workers, read anew for each scrape."""

    storage: Storage

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; that the database is away is one of them."""
        up = GaugeMetricFamily("tuner_database_up", "Whether the database answered.")
        try:
            counts, workers = count_slots(self.storage), read_workers(self.storage)
        except (DatabaseAwayError, DatabaseUnusableError):
            up.add_metric([], 0)
            return [up]
        finally:
            self.storage.close_idle_connections()
        up.add_metric([], 1)
        return [up, *_study_metrics(counts), _worker_metric(workers)]


def _study_metrics(counts: Iterable[SlotCount]) -> list[Metric]:
    trials, jobs = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    waiting, leased, epochs = (Counter[tuple[str, ...]]() for _ in range(3))
    for one in counts:
        state = one.result or {"leased": "running"}.get(one.state, one.state)
        (trials if one.stage == "search" else jobs)[one.study, state] += one.n_slots
        waiting[one.study,] += one.n_slots * (one.state == "waiting")
        leased[one.study,] += one.n_slots * (one.state == "leased")
        epochs[one.study,] += one.n_epochs
    return [
        _gauge("tuner_trials", "Trials of the search by state.", ["study", "state"], trials),
        _gauge("tuner_finals_jobs", "Jobs of the finals by state.", ["study", "state"], jobs),
        _gauge("tuner_waiting_slots", "Trials and jobs that wait for a worker.", ["study"], waiting),
        _gauge("tuner_leased_slots", "Trials and jobs that a worker has.", ["study"], leased),
        _gauge("tuner_study_epochs", "Epochs trained of all trials and jobs.", ["study"], epochs),
    ]


def _worker_metric(workers: Iterable[WorkerRecord]) -> Metric:
    states = Counter[tuple[str, ...]]((worker.state,) for worker in workers)
    return _gauge("tuner_workers", "Workers of all machines by state.", ["state"], states)


def _gauge(name: str, text: str, labels: list[str], values: Counter[tuple[str, ...]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family


class GpuCollector(Collector):
    """How full the memory of this machine's GPUs is."""

    def collect(self) -> Iterable[Metric]:
        """Return no sample on a machine without GPUs."""
        labels = ["gpu", "name"]
        used = GaugeMetricFamily("tuner_gpu_memory_used_bytes", "Memory that processes hold.", labels=labels)
        total = GaugeMetricFamily("tuner_gpu_memory_total_bytes", "Memory of the GPU.", labels=labels)
        for gpu in list_gpus():
            memory = read_memory(gpu.uuid)
            if memory is not None:
                used.add_metric([gpu.uuid, gpu.name], memory.used_bytes)
                total.add_metric([gpu.uuid, gpu.name], memory.total_bytes)
        return [used, total]


@contextmanager
def serving_metrics(storage: Storage, *, host: str, port: int) -> Iterator[int]:
    """Serve the metrics of a pool while the block runs; give the port, and count this process' calls too.

    Processes that the block starts find the shared folder by their environment, see `tuner.counters`.

    Raises:
        MetricsAddressError: The port is taken, or the address is not this machine's.
    """
    with tempfile.TemporaryDirectory(prefix="tuner-metrics-") as folder, _shared(folder):
        share_counters("pool")
        registry = CollectorRegistry()
        registry.register(DatabaseCollector(storage))
        registry.register(GpuCollector())
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call] # it registers itself
        try:
            server, thread = start_http_server(port, addr=host, registry=registry)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MetricsAddressError(
                f"Cannot serve metrics on {host}:{port}: {reason}. Choose another --metrics-port or --metrics-host."
            ) from error
        try:
            yield int(server.server_port)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def _shared(folder: str) -> Iterator[None]:
    """Let the processes that the block starts find the folder of the counts by their environment."""
    before = os.environ.get(SHARED_FOLDER)
    os.environ[SHARED_FOLDER] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ[SHARED_FOLDER]
        else:
            os.environ[SHARED_FOLDER] = before
