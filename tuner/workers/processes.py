"""Start, watch and restart the processes of a pool: one for each share of this machine."""

import logging
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil

from tuner.errors import RestartNeededError
from tuner.forking.client import ForkServer
from tuner.forking.process import ForkedProcess
from tuner.workers.shares import DeviceShare
from tuner.workers.worker_logs import WorkerLog, make_log_folder

_log = logging.getLogger(__name__)

#: Exit statuses of a worker that is not restarted: done, drained by SIGINT, drained by SIGTERM.
_FINAL_STATUSES = {0, 130, 143}
#: Exit status after which a new process is started at once.
RESTART_STATUS = RestartNeededError.exit_status
#: Seconds that a worker waits for a database that is away; training continues meanwhile.
PATIENCE_S = 3600.0
#: A worker that lives for fewer seconds than this has failed at its start.
_SHORT_LIFE_S = 30.0
#: Number of failed starts in a row after which the pool gives the share up.
_MAX_FAILED_STARTS = 3
#: Seconds before a worker that died is started again; twice as many after each failed start.
_WAIT_S = 1.0
_TICK_S = 0.5


@dataclass(kw_only=True)
class _WorkerProcess:
    """One share and the process that uses it."""

    share: DeviceShare
    log: WorkerLog
    worker_id: str = ""
    process: subprocess.Popen[bytes] | ForkedProcess | None = None
    started: float = 0.0
    failed_starts: int = 0
    restart_at: float = 0.0
    #: Asked to end; no new process replaces it.
    retired: bool = False
    #: Exit status; set when the share is given up or its worker is done.
    status: int | None = None


@dataclass(kw_only=True)
class WorkerProcesses:
    """Runs `command` once for each share, until every worker has ended."""

    #: Command line of a worker process, without the device.
    command: Sequence[str]
    shares: Sequence[DeviceShare]
    environment: Mapping[str, str]
    #: Folder of the workers' logs: one file per share, with a few older files beside it.
    log_dir: Path
    #: Called with the id of each worker that died and its exit status (negative: the signal that killed it), so that
    #: its slot is free before the lease expires; returns whether the worker had a slot. May be set after `start`.
    on_death: Callable[[str, int], bool] = lambda _worker_id, _status: False
    #: Forks the workers; without it each is started afresh.
    server: ForkServer | None = None
    #: Called at each signal, at any point of the pool's work.
    on_signal: Callable[[], object] = lambda: None
    #: Whether each worker shares its counts under the name of its log, see `tuner.counters`.
    shares_counters: bool = False
    _workers: list[_WorkerProcess] = field(default_factory=list)
    _signal: signal.Signals | None = None

    def start(self) -> None:
        """Start the workers; `run` does it otherwise."""
        make_log_folder(self.log_dir)
        for share in self.shares:
            self.add(share)

    def run(self, on_tick: Callable[[], None]) -> int:
        """Start the workers, unless they were started, and wait for them, calling `on_tick` about twice a second.

        SIGINT and SIGTERM are passed on to the workers: the first lets them finish their epochs, a second SIGINT ends
        them. Python gives signals to the main thread alone: in another one nothing is passed on.

        Returns:
            The exit status: 0 if all workers succeeded, 130 or 143 after a signal, otherwise the highest status.
        """
        passed_on = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        previous = {number: signal.signal(number, self._forward) for number in passed_on}
        try:
            if not self._workers:
                self.start()
            while any(worker.status is None for worker in self._workers):
                for worker in self._workers:
                    self._look_after(worker)
                    worker.log.keep_short()
                on_tick()
                self._await_news()
        finally:
            self._end_all()
            for number, handler in previous.items():
                signal.signal(number, handler)
        if self._signal is not None:
            return 128 + self._signal
        return max((worker.status or 0 for worker in self._workers), default=0)

    def add(self, share: DeviceShare) -> None:
        """Start another worker; `on_tick` may call this."""
        log = WorkerLog(self.log_dir / f"worker-{len(self._workers)}.log")
        self._workers.append(_WorkerProcess(share=share, log=log))
        self._start(self._workers[-1])

    def retire(self, count: int) -> None:
        """Let the newest workers finish their epoch and do not replace them; `on_tick` may call this."""
        serving = [worker for worker in self._workers if worker.status is None and not worker.retired]
        for worker in serving[-count:]:
            worker.retired = True
            if worker.process is None:
                worker.status = 0
            else:
                worker.process.terminate()

    @property
    def worker_ids(self) -> list[str]:
        """The ids of the running workers that are not asked to end."""
        return [worker.worker_id for worker in self._workers if worker.process is not None and not worker.retired]

    def last_log_line(self) -> str:
        """Return the last log line of a failed worker, for the error message."""
        for worker in self._workers:
            if worker.status not in {None, *_FINAL_STATUSES}:
                return worker.log.last_line()
        return ""

    def _start(self, worker: _WorkerProcess) -> None:
        worker.worker_id = uuid.uuid4().hex
        counters = ["--counters", worker.log.path.stem] if self.shares_counters else []
        command = [*self.command, "--device", worker.share.device, "--id", worker.worker_id, *counters]
        environment = {**os.environ, **self.environment, **worker.share.environment}
        file = worker.log.file
        # Nothing is ever written to its standard input, which ends when the pool ends, in whatever way: the worker then
        # drains. In a session of its own it receives Ctrl-C once, from the pool: a terminal sends it to a whole group.
        if self.server is not None:
            worker.process = self.server.start(
                command, environment=environment, stdout=file, stderr=file, cores=worker.share.cores
            )
        else:
            worker.process = subprocess.Popen(  # noqa: S603 - our own command
                command, env=environment, stdin=subprocess.PIPE, stdout=file, stderr=file, start_new_session=True
            )
            if worker.share.cores:
                psutil.Process(worker.process.pid).cpu_affinity(list(worker.share.cores))
        worker.started = time.monotonic()

    def _await_news(self) -> None:
        """Wait for a tick, or until a forked worker ends, so that the next one follows at once."""
        if self.server is None:
            time.sleep(_TICK_S)
        else:
            self.server.listen(_TICK_S)

    def _look_after(self, worker: _WorkerProcess) -> None:
        if worker.status is not None:
            return
        if worker.process is None:
            if time.monotonic() >= worker.restart_at:
                self._start(worker)
            return
        status = worker.process.poll()
        if status is None:
            if self._signal and worker.process.pid is None:
                # It is not born before the server has imported Keras, and has nothing to finish.
                worker.process.kill()
                _close(worker.process)
                worker.process, worker.status = None, 128 + self._signal
            return
        _close(worker.process)
        worker.process = None
        if status == -signal.SIGTERM:
            # Asked to end before it could listen: while it imported its modules.
            status = 128 + signal.SIGTERM
        if status == RESTART_STATUS and not self._signal and not worker.retired:
            # It has no slot any more, unless nobody has seen how it ended.
            self.on_death(worker.worker_id, status)
            self._start(worker)
            return
        died_at_work = status not in _FINAL_STATUSES and self.on_death(worker.worker_id, status)
        if worker.retired:
            worker.status = 0
            return
        is_failed_start = time.monotonic() - worker.started < _SHORT_LIFE_S and not (
            # Deaths during work count towards the slot's own limit, and after a kill from outside a start may succeed.
            died_at_work or status == -signal.SIGKILL
        )
        worker.failed_starts = worker.failed_starts + 1 if is_failed_start else 0
        # Status 1 is an error that a person must act on; after a restart it would occur again.
        is_hopeless = (status == 1 and not died_at_work) or worker.failed_starts >= _MAX_FAILED_STARTS
        if status in _FINAL_STATUSES or is_hopeless or self._signal:
            worker.status = status if status >= 0 else 128 - status
            return
        wait_s = _WAIT_S * 2**worker.failed_starts
        _log.warning(
            "the worker on %s ended with status %d; starting it again in %.0f s", worker.share.device, status, wait_s
        )
        worker.restart_at = time.monotonic() + wait_s

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        self._signal = self._signal or signal.Signals(number)
        self.on_signal()
        for worker in self._workers:
            if worker.process is not None:
                worker.process.send_signal(number)
            else:
                worker.status = 128 + number

    def _end_all(self) -> None:
        for worker in self._workers:
            if worker.process is not None:
                worker.process.kill()
                worker.process.wait()
                _close(worker.process)
            worker.log.close()


def _close(process: subprocess.Popen[bytes] | ForkedProcess) -> None:
    if process.stdin is not None:
        process.stdin.close()
