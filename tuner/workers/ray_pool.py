"""Run workers on a Ray cluster, one restartable actor for each. Ray places them, and starts them again elsewhere.

The studies' database stays the only truth: Ray holds the orders of its actors and nothing of a study. Here, in
`ray_actor` and in `ray_head` alone Ray is imported.
"""

import atexit
import contextlib
import logging
import os
import re
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tuner.errors import TunerError
from tuner.extras import ExtraMissingError
from tuner.settings import Settings
from tuner.studies.database_url import parse_url
from tuner.studies.lifecycle import find_studies
from tuner.studies.progress import StudyProgress, read_all_progress
from tuner.studies.storage import Storage, open_storage
from tuner.workers.pool import Follow, are_over, follow_silently, worker_options
from tuner.workers.ray_actor import RayWorker, WorkerOrder, drain_on_this_node, look_at_node, read_growth
from tuner.workers.ray_head import Head, HeadLostError

_log = logging.getLogger(__name__)

#: Separates our actors from those of others on the same cluster.
_NAMESPACE = "tuner"
#: Seconds for a cluster to answer, and for its nodes to be looked at.
_CONNECT_S, _LOOK_S = 10.0, 60.0
#: What the working directory leaves behind; Ray sends the rest of it to each node.
_NOT_SENT = [".tuner", ".git", ".venv", ".env", "__pycache__", "*.bundle", "*.npz"]
#: Seconds for workers to finish their epochs; they need at most 8, and a little for the database.
_DRAIN_S = 15.0
#: How Ray tells versions: first those of the cluster, then those of this process.
_VERSIONS = re.compile(r"Ray: (\S+)\s+Python: (\S+)")
#: Seconds between two counts of the open slots.
_SCALING_S = 5.0


class RayError(TunerError):
    """A Ray cluster does not answer, or cannot do what was asked for."""


@dataclass(frozen=True, kw_only=True)
class RayPlaces:
    """Where and how workers are placed on a cluster."""

    #: `auto`, `HOST:PORT` of a head node, or `ray://HOST:PORT`.
    address: str
    #: At most so many actors; None for as many as the cluster holds now.
    n_workers: int | None = None
    gpus_per_worker: float = 0.0
    cpus_per_worker: float = 1.0
    #: Leave when the actors are placed; they stay.
    detach: bool = False


def run_ray_pool(
    settings: Settings,
    studies: Sequence[str],
    places: RayPlaces,
    *,
    until_done: bool = False,
    max_slots: int | None = None,
    options: Sequence[str] = (),
    follow: Follow = follow_silently,
) -> int:
    """Run workers for the named studies, or for all studies, on a Ray cluster; return the exit status.

    Never more actors are asked for than there are open slots, so that a cluster that grows with demand does not grow
    for workers without work, and none for studies that have all ended. Ctrl-C lets the workers finish their epochs.

    Args:
        settings: The locations of database, data and artifacts.
        studies: Names of existing studies; empty means all studies.
        places: Where workers are placed.
        until_done: As in `run_pool`, and so are `max_slots`, `options` and `follow`.
        max_slots: See `Lifetime`.
        options: Further options of each `tuner worker`.
        follow: Shows people what the workers are doing.

    Raises:
        TunerError: A study is unknown, Ray is missing, the cluster does not answer, or it cannot do what was asked for.
    """
    with open_storage(settings.storage) as storage:
        found = find_studies(storage, studies)
        refuse_local_database(settings)
        if until_done and are_over(found):
            return 0
        with _connected(places.address, settings) as ray:
            n_most = places.n_workers or _count_fitting(ray, places)
            _check_resources(ray, places)
            _check_nodes(ray, settings)
            order = WorkerOrder(
                settings=settings,
                studies=studies,
                options=[*worker_options(until_done=until_done, max_slots=max_slots), *options],
                cpus=places.cpus_per_worker,
                gpus=places.gpus_per_worker,
                detached=places.detach,
            )
            actors = _Actors(ray, order, n_most=n_most, head=Head(ray, places.address))
            actors.grow(storage)
            if places.detach:
                sys.stderr.write(
                    f"{len(actors)} workers are placed. They continue when this command ends: `tuner status` "
                    f"shows them, `tuner workers --ray {places.address} --stop` ends them.\n"
                )
                return 0
            with follow(storage, studies, n_workers=n_most) as show:
                return actors.wait(storage, show)


def stop_ray_workers(settings: Settings, address: str) -> int:
    """Let all workers on the cluster finish their epochs and end; return how many actors there were.

    Raises:
        TunerError: Ray is missing, or the cluster does not answer.
    """
    with _connected(address, settings) as ray:
        names = ray.util.list_named_actors()
        _ask_to_drain(ray, names)
        _wait_for(lambda: not ray.util.list_named_actors())
        _kill(ray, names)
        return len(names)


class _Actors:
    """The actors of one command."""

    def __init__(self, ray: Any, order: WorkerOrder, *, n_most: int, head: Head) -> None:
        self._ray = ray
        self._head = head
        self._order = order
        self._n_most = n_most
        self._name = f"tuner-{uuid.uuid4().hex[:6]}"
        self._names: list[str] = []
        #: What each actor's worker will have ended with; an actor that is detached tells nobody.
        self._results: list[Any] = []

    def __len__(self) -> int:
        return len(self._names)

    def grow(self, storage: Storage) -> None:
        """Add an actor for each open slot that has none, up to the most that were asked for."""
        wanted = min(self._n_most, max(1, _count_open_slots(storage, self._order.studies)))
        for position in range(len(self._names), wanted):
            self._names.append(f"{self._name}-{position}")
            actor = self._start(self._names[-1])
            if not self._order.detached:
                self._results.append(actor.result.remote())

    def wait(self, storage: Storage, show: Callable[[], None]) -> int:
        """Wait until every worker has ended; return the highest status, or 130 or 143 after a signal.

        Raises:
            HeadLostError: The head node is gone.
        """
        with _noted_signals() as received:
            try:
                status = self._wait_for_end(storage, show, received)
                if status is None:
                    _ask_to_drain(self._ray, self._names)
                    self._ray.wait(self._results, num_returns=len(self), timeout=_DRAIN_S)
            except HeadLostError:
                raise
            except BaseException:
                _kill(self._ray, self._names)
                raise
            _kill(self._ray, self._names)
        if status is not None:
            return status
        sys.stderr.write("Stopped. Nothing is lost: type the same command to continue.\n")
        return 128 + received[0]

    def _wait_for_end(self, storage: Storage, show: Callable[[], None], received: Sequence[int]) -> int | None:
        """Return the highest status of the workers when all have ended; None after a signal."""
        next_look = time.monotonic() + _SCALING_S
        while not received:
            ended, running = self._ray.wait(self._results, num_returns=len(self), timeout=0.5)
            show()
            if time.monotonic() >= next_look or not running:
                next_look = time.monotonic() + _SCALING_S
                # An actor ends with its head: that is told first.
                is_there = self._head.is_there()
                if not running:
                    return max(self._ray.get(result) or 0 for result in ended)
                if is_there:
                    self.grow(storage)
        return None

    def _start(self, name: str) -> Any:
        actor = self._ray.remote(RayWorker).options(
            name=name,
            lifetime="detached" if self._order.detached else None,
            num_cpus=self._order.cpus,
            num_gpus=self._order.gpus,
            scheduling_strategy="SPREAD",
            max_restarts=-1,
            max_task_retries=-1,
        )
        return actor.remote(name, self._order)


@contextlib.contextmanager
def _connected(address: str, settings: Settings) -> Iterator[Any]:
    """Connect to the cluster, with the working directory for its workers; yields the module `ray`."""
    try:
        import ray
    except ImportError as error:
        raise ExtraMissingError("ray", needed_for="A Ray cluster") from error
    _check_reachable(address)
    # Ray reports how it is used; this command does not decide that for a cluster, but it starts none.
    try:
        ray.init(
            address=address,
            namespace=_NAMESPACE,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"working_dir": str(Path.cwd()), "excludes": [*_NOT_SENT, *_own_folders(settings)]},
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise RayError(describe_refusal(address, error)) from error
    try:
        yield ray
    except HeadLostError:
        # Ray would wait for the head here; at the end of the process its threads would crash the interpreter.
        atexit.register(_leave, HeadLostError.exit_status)
        raise
    except BaseException:
        ray.shutdown()
        raise
    ray.shutdown()


def _leave(status: int) -> None:
    """End this process without Ray's part in it; what was written stays written."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def describe_refusal(address: str, error: BaseException) -> str:
    """Return in one line why Ray did not connect; of other versions, which ones there are and here."""
    versions = _VERSIONS.findall(str(error))
    if "Version mismatch" in str(error) and len(versions) == 2:  # noqa: PLR2004 - of the cluster, and of this process
        (ray, python), (own_ray, own_python) = versions
        return (
            f"The Ray cluster at {address} has Ray {ray} and Python {python}, this machine Ray {own_ray} and Python "
            f"{own_python}. Install the same versions on both."
        )
    return f"Could not join the Ray cluster at {address}: {_first_words(error)}"


def _check_reachable(address: str) -> None:
    """Refuse an address where nothing listens, for which Ray itself would wait much longer."""
    if address == "auto":
        return
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        if parts.hostname is None or parts.port is None:
            raise RayError(f"Received the address {address!r}. Expected auto, HOST:PORT or ray://HOST:PORT.")
        socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise RayError(f"No Ray cluster answers at {address}: {error}") from error


def refuse_local_database(settings: Settings) -> None:
    """Raise `RayError` where the database is a file, which other nodes cannot share."""
    if parse_url(settings.storage).get_backend_name() == "sqlite":
        raise RayError(
            "Workers on a Ray cluster need a Postgres database, because other nodes cannot share an SQLite file: set "
            "TUNER_STORAGE or --storage."
        )


def _count_fitting(ray: Any, wanted: RayPlaces) -> int:
    """Return how many workers the cluster holds as it is now."""
    total = ray.cluster_resources()
    if wanted.gpus_per_worker:
        return max(1, int(total.get("GPU", 0) / wanted.gpus_per_worker))
    return max(1, int(total.get("CPU", 0) / wanted.cpus_per_worker))


def _check_resources(ray: Any, wanted: RayPlaces) -> None:
    """Refuse GPUs that no node has, unless the cluster grows by such nodes: the actor would wait forever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not wanted.gpus_per_worker or any(node.get("GPU", 0) >= min(wanted.gpus_per_worker, 1) for node in nodes):
        return
    try:
        most = ray.get(ray.remote(num_cpus=0)(read_growth).remote(), timeout=_LOOK_S)
    except ray.exceptions.RayError as error:
        raise RayError(f"The Ray cluster does not say whether it grows: {_first_words(error)}") from error
    if most.get("GPU", 0) >= min(wanted.gpus_per_worker, 1):
        return
    cpus = sum(node.get("CPU", 0) for node in nodes)
    grows = " and grows by nodes without one" if most else ""
    raise RayError(
        f"No node of the Ray cluster has a GPU: it has {len(nodes)} nodes with {cpus:.0f} CPUs{grows}. Leave out "
        "--gpus-per-worker, or add such a node first."
    )


def _check_nodes(ray: Any, settings: Settings) -> None:
    """Refuse a cluster of which a node has another tuner, or sees neither the database nor the artifacts."""
    with _marker_among(settings.artifacts) as marker:
        for host, reference in _on_each_node(ray, look_at_node, settings, marker):
            try:
                seen = ray.get(reference, timeout=_LOOK_S)
            except ray.exceptions.RayError as error:
                raise RayError(f"tuner does not start on the node {host}: {_first_words(error)}") from error
            if seen.version != version("tuner"):
                raise RayError(
                    f"The node {host} has tuner {seen.version}, this machine {version('tuner')}. Install the same one."
                )
            if seen.database_problem:
                raise RayError(f"The node {host} does not reach the database: {seen.database_problem}")
            if not seen.sees_artifacts:
                raise RayError(
                    f"The node {host} does not see the artifacts in {settings.artifacts}. Set TUNER_ARTIFACTS to a "
                    "folder that all nodes share, or to s3://…."
                )


def _on_each_node(ray: Any, function: Callable[..., Any], *arguments: Any) -> list[tuple[str, Any]]:
    """Call a function on every node that lives, at once; return each node's name with the reference to its answer."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=1)(function)
    return [
        (
            node["NodeManagerHostname"],
            task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                *arguments
            ),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def _ask_to_drain(ray: Any, names: Sequence[str]) -> None:
    """Let the workers of these actors finish their epochs, on whichever nodes they are."""
    answers = [answer for _, answer in _on_each_node(ray, drain_on_this_node, list(names))]
    if answers:
        ray.wait(answers, num_returns=len(answers), timeout=_DRAIN_S)


def _kill(ray: Any, names: Sequence[str]) -> None:
    """End these actors for good, and with them what is left of their workers."""
    for name in set(names) & set(ray.util.list_named_actors()):
        with contextlib.suppress(ValueError):  # it has just ended
            ray.kill(ray.get_actor(name), no_restart=True)


def _wait_for(is_true: Callable[[], bool]) -> None:
    """Wait until it is true, for as long as workers may take to finish their epochs."""
    deadline = time.monotonic() + _DRAIN_S
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.2)


@contextlib.contextmanager
def _marker_among(artifacts: str) -> Iterator[Path | None]:
    """Write a file into a local folder of artifacts, for nodes to find; None where they are behind a URL."""
    if "://" in artifacts:
        yield None
        return
    marker = Path(artifacts).absolute() / f".seen-by-all-{uuid.uuid4().hex}.partial"
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError as error:
        raise RayError(f"Could not write to the artifacts in {artifacts}: {error.strerror or error}.") from error
    try:
        yield marker
    finally:
        marker.unlink(missing_ok=True)


def _own_folders(settings: Settings) -> list[str]:
    """Return what lies below the working directory and is no source: data, artifacts, logs and caches."""
    here = Path.cwd()
    folders = [settings.home, settings.data_dir, *([] if "://" in settings.artifacts else [Path(settings.artifacts)])]
    return [
        f"/{folder.absolute().relative_to(here)}"
        for folder in folders
        if folder.absolute() != here and folder.absolute().is_relative_to(here)
    ]


def _count_open_slots(storage: Storage, names: Sequence[str]) -> int:
    """Return how many slots of these studies wait or are worked on, and may be at a time: trials, jobs of finals."""
    return sum(count_open_slots(study) for _, study in read_all_progress(storage, names))


def count_open_slots(study: StudyProgress) -> int:
    """Return how many workers a study has work for; none where it is over or stopped."""
    n_open = {
        "searching": study.running + study.waiting,
        "finals": study.finals_planned - study.finals_done,
    }.get(study.state, 0)
    return n_open if study.max_workers is None else min(n_open, study.max_workers)


@contextlib.contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """Yield a list that grows by each Ctrl-C and SIGTERM, at which Ray would end this process."""
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    # An exception that is raised in the middle of Ray's own calls is lost.
    previous = {number: signal.signal(number, lambda number, _frame: received.append(number)) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _first_words(error: BaseException) -> str:
    """Return the message of one of Ray's errors, which are long, as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:4])[:400]
