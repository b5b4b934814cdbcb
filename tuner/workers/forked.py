"""The server that forks a pool's workers and the check of a new study. Imports little, as it is started first."""

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from tuner.counters import SHARED_FOLDER
from tuner.forking.client import ForkServer
from tuner.settings import Settings
from tuner.training.backend import import_environment
from tuner.workers.processes import WorkerProcesses
from tuner.workers.shares import DeviceShare
from tuner.workers.work import Work

#: What workers and checks import.
_IMPORTS = (
    "tuner.training.backend:import_backend",
    "tuner.training.session:import_for_seeding",
    "tuner.cli",
    "tuner.workers.loop",
    "tuner.jobs.preflight.stages",
)


def open_fork_server(settings: Settings, share: DeviceShare) -> ForkServer:
    """Return a server for workers on shares like this one, to be used as a context manager.

    Args:
        settings: The locations of database, data and artifacts.
        share: Workers on shares of other devices, or with other numbers of threads, are started afresh.

    Raises:
        NoBackendError: No backend is installed.
    """
    return ForkServer(_environment(settings, share), imports=_IMPORTS, changeable={SHARED_FOLDER})


def open_shared_server(settings: Settings, share: DeviceShare, *, changeable: Collection[str]) -> ForkServer:
    """Return a server that pools of equal settings have in common, and that outlives a pool that was killed.

    So the pool's successor finds Keras imported. The database's address is not among what the server knows.

    Args:
        settings: The locations of database, data and artifacts.
        share: Of this pool's worker.
        changeable: Variables of its surroundings, which may differ between pools.

    Raises:
        NoBackendError: No backend is installed.
    """
    apart = {SHARED_FOLDER, "TUNER_STORAGE", *changeable}
    return ForkServer(_environment(settings, share), imports=_IMPORTS, changeable=apart, is_shared=True)


def prepare_workers(
    settings: Settings,
    work: Work,
    shares: Sequence[DeviceShare],
    *,
    log_dir: Path,
    server: ForkServer | None,
    shares_counters: bool = False,
) -> WorkerProcesses:
    """Return the worker processes of a pool, which are not started yet.

    Args:
        settings: The locations of database, data and artifacts.
        work: What the workers do.
        shares: One for each worker.
        log_dir: Folder of the workers' logs.
        server: From which the workers are forked; None starts each afresh.
        shares_counters: See `WorkerProcesses`.
    """
    # In the environment, because every user of the machine can see passwords in a command line.
    environment = {**settings.as_environment(), "TF_CPP_MIN_LOG_LEVEL": "2"}
    return WorkerProcesses(
        command=[sys.executable, "-m", "tuner", "worker", *work.arguments],
        shares_counters=shares_counters,
        shares=shares,
        environment=environment if server is None else server.environment,
        log_dir=log_dir,
        server=server,
    )


def _environment(settings: Settings, share: DeviceShare) -> dict[str, str]:
    environment = {**os.environ, **settings.as_environment(), **share.environment}
    return environment | import_environment(environment, program_cache=settings.program_cache)
