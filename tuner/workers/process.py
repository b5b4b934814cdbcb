"""One worker process: its share of the machine, its signals, its exit status, and its replacement by a new process.

This module itself imports no Keras, because a process must take its share of the machine first.
"""

import logging
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuner.artifacts import ArtifactStore
from tuner.errors import RestartNeededError
from tuner.settings import Settings
from tuner.studies.database.errors import DatabaseAwayError, words_of
from tuner.studies.database.outages import expect_answers_soon
from tuner.studies.database.storage import open_storage
from tuner.studies.fleet import release_placed
from tuner.studies.lifecycle import find_studies
from tuner.studies.slots.leases import DEFAULT_LEASE_S
from tuner.training.backend import load_backend
from tuner.workers.processes import PATIENCE_S
from tuner.workers.shares import divide_machine, take_share
from tuner.workers.work import Work

if TYPE_CHECKING:
    from tuner.workers.loop import Worker

_log = logging.getLogger(__name__)

#: Seconds that an epoch may take to finish after SIGTERM; Docker kills a container after 10.
_GRACE_S = 8.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Safe to restart: the database was away for too long, or the process has worked on its number of slots.
RESTART_STATUS = RestartNeededError.exit_status


def prepare_process(settings: Settings, studies: Sequence[str], *, device: str) -> str:
    """Check the studies' names, bind this process to one share of the machine, and return the share's device.

    For a worker without a pool; a pool does both for its workers. Call it before Keras is imported, which takes
    seconds, so that a mistyped name is reported at once.

    Raises:
        TunerError: A study is unknown, or the machine has no such device.
    """
    if studies:
        with open_storage(settings.storage, patience_s=PATIENCE_S) as storage:
            find_studies(storage, studies)
    (share,) = divide_machine(1, device=device)
    take_share(share)
    return share.device


def run_worker(
    settings: Settings,
    work: Work,
    *,
    device: str,
    worker_id: str | None = None,
    placed_as: str | None = None,
) -> int | None:
    """Work until the studies are done or a signal asks this process to end.

    Args:
        settings: The locations of database, data and artifacts.
        work: What it does; without a number of slots it never needs a new process.
        device: The device to which this process was bound, for people.
        worker_id: Given by a pool; the worker then ends when its pool ends.
        placed_as: The name by which a scheduler placed this process on its machine. It has one process of a name: the
            slots of one that had it before are released.

    Returns:
        The exit status: 0, 75, 130 or 143; None if a new process should continue, see `Lifetime`.

    Raises:
        TunerError: This machine cannot read the data or write the artifacts.
    """
    load_backend(program_cache=settings.program_cache)
    from tuner.jobs.study.data import DataPlaces
    from tuner.training.session import PROGRAMS, refuse_fit_caps
    from tuner.workers.loop import Worker, WorkerSettings

    refuse_fit_caps()
    PROGRAMS.images = settings.images or "auto"
    worker_settings = WorkerSettings(
        worker_id=worker_id or uuid.uuid4().hex,
        studies=work.studies,
        device=device,
        host=f"{placed_as}@{socket.gethostname()}" if placed_as else socket.gethostname(),
        places=DataPlaces(
            data_dir=settings.data_dir, cache_dir=settings.image_cache, pictures_dir=settings.picture_cache
        ),
        artifacts=ArtifactStore(settings.artifacts),
        until_done=work.until_done,
        lease_s=settings.lease_s or DEFAULT_LEASE_S,
        max_slots=work.max_slots,
    )
    with open_storage(settings.storage, patience_s=PATIENCE_S) as storage:
        if placed_as:
            release_placed(storage, placed_as)
        return _run(Worker(storage, worker_settings), ends_with_pool=worker_id is not None)


def _run(worker: "Worker", *, ends_with_pool: bool) -> int | None:
    signals = _Signals(worker)
    if ends_with_pool:
        threading.Thread(target=_end_with_pool, name="pool-watch", daemon=True).start()
    try:
        wants_successor = worker.run()
    except DatabaseAwayError as error:
        _log.error("the database is away: %s", words_of(error))
        return RESTART_STATUS
    if signals.first is not None:
        return 128 + signals.first
    return None if wants_successor else 0


def restart_process(options: Sequence[str] = ()) -> None:
    """Replace this process by a new one that runs the same command, with these options added.

    The frameworks free only a part of the memory that they allocate for a trial; a new process frees all of it.
    """
    command = [sys.executable, "-m", "tuner", *sys.argv[1:], *options]
    os.execv(sys.executable, command)  # noqa: S606 - the same command


class _Signals:
    """Makes a worker drain at SIGINT and SIGTERM, even while its main thread trains for a long time in one call.

    Python runs a signal handler only after such a call has returned, but writes to a wakeup descriptor at once.
    """

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self.first: int | None = None
        self._numbers, self._wakeup = socket.socketpair()
        self._wakeup.setblocking(False)
        signal.set_wakeup_fd(self._wakeup.fileno())
        for number in _SIGNALS:
            # Python writes only signals for which a Python handler is set.
            signal.signal(number, lambda _number, _frame: None)
        # Signals to forked processes, such as data loaders, are not meant for the worker.
        os.register_at_fork(before=_block_signals, after_in_parent=_unblock_signals, after_in_child=_restore_signals)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def _listen(self) -> None:
        while True:
            for number in self._numbers.recv(64):
                if number in _SIGNALS:
                    self._receive(number)

    def _receive(self, number: int) -> None:
        if self.first is not None and number == signal.SIGINT:
            # The second Ctrl-C: exit at once. The lease expires by itself.
            os._exit(128 + number)
        self.first = self.first or number
        self._worker.drain()
        expect_answers_soon()
        _log.info("%s: finishing the epoch", signal.Signals(number).name)
        if number == signal.SIGTERM:
            timer = threading.Timer(_GRACE_S, _abandon_and_exit, [self._worker])
            timer.daemon = True
            timer.start()


def _block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _restore_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    _unblock_signals()


def _end_with_pool() -> None:
    """Drain when standard input ends: the pool, which holds the other end, has died without stopping this process."""
    # Not with `sys.stdin`, because a blocked thread would hold its lock at exit.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _abandon_and_exit(worker: "Worker") -> None:
    try:
        worker.abandon()
    finally:
        os._exit(128 + signal.SIGTERM)
