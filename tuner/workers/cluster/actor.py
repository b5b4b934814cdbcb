"""What runs on a Ray cluster: the actor that keeps one worker running on its node, and the look at a node beforehand.

Ray pickles both by reference, so that every node needs tuner installed, of the driver's version.
"""

import contextlib
import dataclasses
import json
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

from tuner.errors import TunerError
from tuner.settings import Settings
from tuner.workers.forked import open_shared_server, prepare_workers
from tuner.workers.shares import granted_share
from tuner.workers.work import Work

#: Begins the names of variables that Ray gives to each process of its own.
_OF_RAY = "RAY_"
#: Seconds for the worker of a dead actor to end after SIGKILL.
_KILL_S = 5.0
#: The option of `tuner worker` by which a worker of an actor is recognized, in `tuner status` and on its node.
_PLACED_AS = "--placed-as"


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkerOrder:
    """What an actor is told. Ray keeps it, to start the actor again, and shows it to nobody."""

    settings: Settings
    work: Work
    cpus: float
    gpus: float
    #: Whether it must end by itself, because no driver waits for it.
    detached: bool


class RayWorker:
    """Keeps one worker process running on a node, and ends with its last exit status.

    Ray restarts an actor that dies, on this node or on another one, by calling the constructor again, whether its
    driver is still there or not. The worker of the one before is ended then, where it is on this node, and the new one
    releases its leases, so that its trial goes on at once. Workers are forked from a server that all actors of a node
    share, and that outlives an actor: Keras is imported once on each node.
    """

    def __init__(self, name: str, order: WorkerOrder) -> None:
        import ray

        self._name = name
        self._order = order
        self._status: int | None = None
        # Behind the constructor, as the first thing that this actor does.
        ray.get_runtime_context().current_actor.run.remote()

    def run(self) -> None:
        """Run the worker until the studies are done or somebody must act."""
        order = self._order
        settings = dataclasses.replace(order.settings, home=home_on_this_node(order.settings))
        shares = [granted_share(n_cores=order.cpus, gpu_fraction=order.gpus)]
        work = dataclasses.replace(order.work, options=[_PLACED_AS, self._name, *order.work.options])
        log_dir = settings.home / "logs" / self._name
        of_ray = [name for name in os.environ if name.startswith(_OF_RAY)]
        try:
            with open_shared_server(settings, shares[0], changeable=of_ray) as server:
                _end_predecessor(self._name)
                workers = prepare_workers(settings, work, shares, log_dir=log_dir, server=server)
                workers.start()
                # It takes a second to import, in which the worker begins.
                from tuner.workers.pool import run_shares

                self._status = run_shares(settings, work, shares, log_dir=log_dir, started=workers)
        except TunerError as error:
            print(f"tuner: {error}")  # noqa: T201 - in Ray's log of this actor
            self._status = error.exit_status
        if order.detached:
            from ray.actor import exit_actor

            exit_actor()

    def result(self) -> int | None:
        """Return the exit status. A call waits behind `run`, because an actor does one thing at a time."""
        return self._status


def home_on_this_node(settings: Settings) -> Path:
    """Return the folder for logs and caches: TUNER_HOME of the node, or the driver's where that may be written."""
    home = Path(os.environ["TUNER_HOME"]) if os.environ.get("TUNER_HOME") else settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path.home() / ".tuner"
    return home if os.access(home, os.W_OK) else Path.home() / ".tuner"


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodeView:
    """What was found on one node."""

    #: Version of tuner.
    version: str
    sees_artifacts: bool
    #: Why its database does not answer.
    database_problem: str | None


def look_at_node(settings: Settings, marker: Path | None) -> NodeView:
    """Say whether this node has the driver's tuner, sees its artifacts, and reaches its database.

    Args:
        settings: The driver's.
        marker: A file that the driver has just written into the folder of artifacts; None for a store behind a URL.
    """
    from tuner.studies.database.storage import open_storage

    problem = None
    try:
        with open_storage(settings.storage, patience_s=10.0):
            """It answers."""
    except TunerError as error:
        problem = str(error)
    return NodeView(
        version=version("tuner"), sees_artifacts=marker is None or marker.is_file(), database_problem=problem
    )


def read_growth() -> Sequence[Mapping[str, float]] | None:
    """Return the resources of each kind of node by which the cluster may grow.

    None are returned for a cluster that does not grow, and None for one whose autoscaler does not tell: Ray's own
    (2.60) stores what it does and not what it could do. It is asked on a node: a driver outside of the cluster cannot.
    """
    from ray._private.state import state

    config = state.get_cluster_config()
    kinds = [] if config is None else [kind for kind in config.node_group_configs if kind.max_count]
    if not kinds and _has_autoscaler():
        return None
    # -1 stands for any number.
    return [{name: math.inf if n < 0 else n for name, n in kind.resources.items()} for kind in kinds]


def _has_autoscaler() -> bool:
    from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
    from ray.autoscaler._private.util import format_readonly_node_type
    from ray.experimental.internal_kv import _internal_kv_get

    status = json.loads(_internal_kv_get(DEBUG_AUTOSCALING_STATUS) or "{}")
    kinds = (status.get("autoscaler_report") or {}).get("active_nodes", {})
    # Without one, Ray's monitor calls each node a kind of its own.
    return any(not kind.startswith(format_readonly_node_type("")) for kind in kinds)


def drain_on_this_node(names: Sequence[str]) -> int:
    """Ask the workers of these actors on this node to finish their epochs and end; return how many there are.

    Ray can only kill an actor that is busy, and then its worker would wait for nobody.
    """
    found = 0
    for process in _workers_here(names):
        with contextlib.suppress(psutil.Error):
            process.terminate()
            found += 1
    return found


def _end_predecessor(name: str) -> None:
    """End the worker of an actor of this name that has died: it may still be finishing its epoch, on this one's share.

    On a node that is cut off it works in vain: the next worker of that name releases its lease.
    """
    left = list(_workers_here([name]))
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=_KILL_S)


def _workers_here(names: Collection[str]) -> Iterator[psutil.Process]:
    """Yield the worker processes of these actors on this node."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if _PLACED_AS in words and words[words.index(_PLACED_AS) + 1] in names:
                yield process
