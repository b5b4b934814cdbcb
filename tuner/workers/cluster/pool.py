"""Run workers on a Ray cluster, one restartable actor for each. Ray places them, and starts them again elsewhere.

The studies' database stays the only truth: Ray holds the orders of its actors and nothing of a study.
"""

import contextlib
import logging
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tuner.settings import Settings
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.database.url import parse_url
from tuner.studies.lifecycle import find_studies
from tuner.studies.progress import StudyProgress, read_all_progress
from tuner.workers.cluster.actor import RayWorker, WorkerOrder, drain_on_this_node
from tuner.workers.cluster.connection import RayError, connected, first_words
from tuner.workers.cluster.head import Head, HeadLostError
from tuner.workers.cluster.nodes import RayPlaces, check_nodes, check_resources, count_fitting, on_each_node
from tuner.workers.pool import are_over
from tuner.workers.work import Follow, Work, follow_silently

_log = logging.getLogger(__name__)
#: Seconds for workers to finish their epochs; they need at most 8, and a little for the database.
_DRAIN_S = 15.0
#: Seconds between two counts of the open slots.
_SCALING_S = 5.0


def run_ray_pool(settings: Settings, work: Work, places: RayPlaces, *, follow: Follow = follow_silently) -> int:
    """Run workers on a Ray cluster; return the exit status.

    Never more actors are asked for than there are open slots, so that a cluster that grows with demand does not grow
    for workers without work, and none for studies that have all ended. Ctrl-C lets the workers finish their epochs.

    Args:
        settings: The locations of database, data and artifacts.
        work: What the workers do.
        places: Where they are placed.
        follow: Shows people what they are doing.

    Raises:
        TunerError: A study is unknown, Ray is missing, the cluster does not answer, or it cannot do what was asked for.
    """
    with open_storage(settings.storage) as storage:
        found = find_studies(storage, work.studies)
        refuse_local_database(settings)
        if work.until_done and are_over(found):
            return 0
        with connected(places.address, settings) as ray:
            n_most = places.n_workers or count_fitting(ray, places)
            check_resources(ray, places)
            check_nodes(ray, settings)
            order = WorkerOrder(
                settings=settings,
                work=work,
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
            with follow(storage, work.studies, n_workers=n_most) as show:
                return actors.wait(storage, show)


def stop_ray_workers(settings: Settings, address: str) -> int:
    """Let all workers on the cluster finish their epochs and end; return how many actors there were.

    Raises:
        TunerError: Ray is missing, or the cluster does not answer.
    """
    with connected(address, settings) as ray:
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
        wanted = min(self._n_most, max(1, _count_open_slots(storage, self._order.work.studies)))
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
                    return max(self._status_of(result) for result in ended)
                if is_there:
                    self.grow(storage)
        return None

    def _status_of(self, result: Any) -> int:
        try:
            return self._ray.get(result) or 0
        except self._ray.exceptions.RayError as error:
            # Such as on a node that has come later, and has no tuner.
            raise RayError(f"A worker on the Ray cluster could not be kept running: {first_words(error)}") from error

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


def refuse_local_database(settings: Settings) -> None:
    """Raise `RayError` where the database is a file, which other nodes cannot share."""
    if parse_url(settings.storage).get_backend_name() == "sqlite":
        raise RayError(
            "Workers on a Ray cluster need a Postgres database, because other nodes cannot share an SQLite file: set "
            "TUNER_STORAGE or --storage."
        )


def _ask_to_drain(ray: Any, names: Sequence[str]) -> None:
    """Let the workers of these actors finish their epochs, on whichever nodes they are."""
    answers = [answer for _, answer in on_each_node(ray, drain_on_this_node, list(names))]
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
