"""The server that forks a pool's workers and the check of a new study. Imports little, as it is started first."""

import os
from collections.abc import Collection

from tuner.counters import SHARED_FOLDER
from tuner.settings import Settings
from tuner.training.backend import import_environment
from tuner.training.forking import ForkServer
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


def _environment(settings: Settings, share: DeviceShare) -> dict[str, str]:
    environment = {**os.environ, **settings.as_environment(), **share.environment}
    return environment | import_environment(environment, program_cache=settings.program_cache)
