"""The server that forks a pool's workers and the check of a new study. Imports little, as it is started first."""

import os

from tuner.counters import SHARED_FOLDER
from tuner.forking.client import ForkServer
from tuner.settings import Settings
from tuner.training.backend import import_environment
from tuner.workers.shares import DeviceShare

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
    environment = {**os.environ, **settings.as_environment(), **share.environment}
    environment |= import_environment(environment, program_cache=settings.program_cache)
    return ForkServer(environment, imports=_IMPORTS, changeable={SHARED_FOLDER})
