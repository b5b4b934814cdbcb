"""Start processes by forking one that has imported Keras: in milliseconds instead of seconds, where that is safe.

A process may be forked if it runs no other thread, whose locks nobody would ever release, and if no driver of a device
is initialised in it. The server looks at both after its import. Where it may not, where the system cannot (Linux can),
where variables differ that are read at the import, or where the server was killed again and again, each process is
started afresh, and a debug line of the log says why.
"""

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tuner.backends import late_variables
from tuner.errors import RestartNeededError
from tuner.forking.server import LONGEST_MESSAGE
from tuner.plain_values import JSONObject

_log = logging.getLogger(__name__)

#: Number of deaths of the server after which no other one is started.
_MOST_DEATHS = 3
#: Seconds between two looks at a process that was started afresh.
_LOOK_S = 0.05
#: OpenBLAS starts its threads at its import, for products of matrices that no training computes.
_OF_SERVER = {"OPENBLAS_NUM_THREADS": "1"}
#: An argument of the server that leaves room for the arguments of those that it forks, where `ps` looks for them.
_ROOM = "-" * 1000
#: The status of a process whose end was not seen, as the server had died before it.
UNKNOWN_STATUS = RestartNeededError.exit_status


class ForkedProcess:
    """A process that a `ForkServer` was asked for, with those of `subprocess.Popen`'s methods that are needed here.

    It may be born later: the server imports Keras first. What is sent to it until then reaches it at its birth.
    """

    def __init__(
        self,
        server: "ForkServer",
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        cores: Sequence[int],
        stdout: int | IO[bytes],
        stderr: IO[bytes],
    ) -> None:
        #: None until it is born.
        self.pid: int | None = None
        #: As `subprocess.Popen` has it: None while it lives, negative if a signal ended it.
        self.returncode: int | None = None
        self.command, self.environment, self.cores = command, environment, cores
        self._server = server
        self._descriptor: int | None = None
        self._afresh: subprocess.Popen[bytes] | None = None
        self._early_signals: list[int] = []
        inner_in, outer_in = os.pipe()
        self.stdin: IO[bytes] = os.fdopen(outer_in, "wb")
        self.stdout: IO[bytes] | None = None
        if stdout == subprocess.PIPE:
            outer_out, inner_out = os.pipe()
            self.stdout = os.fdopen(outer_out, "rb")
        else:
            assert not isinstance(stdout, int)  # noqa: S101 - for mypy
            inner_out = os.dup(stdout.fileno())
        #: Its standard streams; closed here once it has them.
        self.streams: tuple[int, ...] = (inner_in, inner_out, os.dup(stderr.fileno()))

    def poll(self) -> int | None:
        """Return its status; None while it lives, or is not yet born."""
        if self.returncode is None:
            if self._afresh is not None:
                self.returncode = self._afresh.poll()
            else:
                self._server.listen(0.0)
                self._look_at_orphan()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its status.

        Raises:
            subprocess.TimeoutExpired: It lives on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(list(self.command), timeout or 0.0)
            self._server.listen(_LOOK_S)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self.returncode is not None:
            return
        if self._afresh is not None:
            self._afresh.send_signal(number)
        elif self._descriptor is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)
        else:
            self._early_signals.append(number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL; one that was not forked yet is given up."""
        # The server may have answered meanwhile.
        self.poll()
        if self._afresh is None and self._descriptor is None and self.returncode is None:
            self.returncode = -signal.SIGKILL
            self._server.forget(self)
            self._close_streams()
        else:
            self.send_signal(signal.SIGKILL)

    # What follows is the server's to call.

    def note_birth(self, pid: int, descriptor: int) -> None:
        """Take note of the pid; the descriptor is its own from here on."""
        self.pid, self._descriptor = pid, descriptor
        self._close_streams()
        self._send_early_signals()

    def note_end(self, status: int) -> None:
        """Take note of the exit status."""
        self.returncode = status
        self._close_descriptor()

    def start_afresh(self) -> None:
        """Start it without the server."""
        stdin, stdout, stderr = self.streams
        self._afresh = subprocess.Popen(  # noqa: S603 - our own command
            self.command,
            env=self.environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        self.pid = self._afresh.pid
        if self.cores:
            os.sched_setaffinity(self.pid, self.cores)
        self._close_streams()
        self._send_early_signals()

    def _look_at_orphan(self) -> None:
        """Where the server has died, see whether this process has."""
        if self._descriptor is None or self._server.has(self) or not _is_readable(self._descriptor):
            return
        self.note_end(UNKNOWN_STATUS)

    def _send_early_signals(self) -> None:
        while self._early_signals:
            self.send_signal(self._early_signals.pop(0))

    def _close_streams(self) -> None:
        for stream in self.streams:
            os.close(stream)
        self.streams = ()

    def _close_descriptor(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class ForkServer:
    """Starts processes; use it as a context manager, which leaves the processes alone when it ends.

    Args:
        environment: Of the server, and of each process but for what `late_variables` names. It has what the import of a
            backend needs, see `backend.import_environment`.
        imports: Modules, and functions `MODULE:FUNCTION` that are called and return, in this order.
        changeable: Further variables that a process may have otherwise, because nothing of that reads them.
    """

    def __init__(
        self, environment: Mapping[str, str], *, imports: Sequence[str], changeable: Collection[str] = ()
    ) -> None:
        self.environment, self._imports = dict(environment), imports
        self._changeable = late_variables().union(_OF_SERVER, changeable)
        self._folder = Path.cwd()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._n_deaths = self._n_asked = 0
        #: Those that were asked for: until they are born, and until they have ended.
        self._unborn: dict[int, ForkedProcess] = {}
        self._alive: dict[int, ForkedProcess] = {}

    def __enter__(self) -> Self:
        obstacle = _find_obstacle_of_system()
        if obstacle is None:
            self._begin()
        else:
            _log.debug("Processes are started afresh: %s", obstacle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()
        self._alive.clear()

    @property
    def pid(self) -> int | None:
        """The server's; None where there is none."""
        return None if self._process is None else self._process.pid

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        stdout: int | IO[bytes],
        stderr: IO[bytes],
        cores: Sequence[int] = (),
    ) -> ForkedProcess:
        """Start a process in a session of its own; its standard input is a pipe, which ends with this process.

        Args:
            command: `python -m MODULE …`, of this Python.
            environment: All of its variables.
            stdout: A file, or `subprocess.PIPE`.
            stderr: A file.
            cores: CPU cores to which it is bound; empty means all.
        """
        process = ForkedProcess(self, command, environment=environment, cores=cores, stdout=stdout, stderr=stderr)
        obstacle = self._find_obstacle(command, environment)
        if obstacle is None:
            self._n_asked += 1
            self._unborn[self._n_asked] = process
            self._ask(self._n_asked, process)
        else:
            _log.debug("A process is started afresh: %s", obstacle)
            process.start_afresh()
        return process

    def listen(self, timeout_s: float) -> None:
        """Wait for the server's next message about a process, at most for this time, and take note of it."""
        poll = select.poll()
        control = self._control
        if control is None:
            time.sleep(timeout_s)
            return
        poll.register(control, select.POLLIN)
        while poll.poll(1000 * timeout_s):
            try:
                content, descriptors, _, _ = socket.recv_fds(control, LONGEST_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC)
            except ConnectionResetError:
                content = b""
            if not content:
                self._note_death()
                return
            self._hear(json.loads(content), descriptors)
            if self._control is not control:
                return
            timeout_s = 0.0

    def has(self, process: ForkedProcess) -> bool:
        """Say whether the server will tell the end of the process."""
        return process in self._alive.values()

    def forget(self, process: ForkedProcess) -> None:
        """Give up a process that is not yet born."""
        self._unborn = {number: one for number, one in self._unborn.items() if one is not process}

    def _find_obstacle(self, command: Sequence[str], environment: Mapping[str, str]) -> str | None:
        if self._control is None:
            return "there is no server"
        if list(command[:2]) != [sys.executable, "-m"]:
            return "it runs no module"
        if Path.cwd() != self._folder:
            return "the folder has changed"
        early = [name for name in self._changes(environment) if name not in self._changeable]
        return f"it has another {early[0]}" if early else None

    def _changes(self, environment: Mapping[str, str]) -> dict[str, str | None]:
        known = {**_OF_SERVER, **self.environment}
        names = known.keys() | environment.keys()
        return {name: environment.get(name) for name in names if environment.get(name) != known.get(name)}

    def _begin(self) -> None:
        self._control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inner:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "tuner.forking.server", str(inner.fileno()), _ROOM, *self._imports],
                env={**_OF_SERVER, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[inner.fileno()],
                start_new_session=True,
            )
        for number, process in self._unborn.items():
            self._ask(number, process)

    def _ask(self, number: int, process: ForkedProcess) -> None:
        _, _, module, *arguments = process.command
        order = {
            "number": number,
            "module": module,
            "arguments": arguments,
            "environment": self._changes(process.environment),
            "cores": list(process.cores),
        }
        # If it has died, `listen` finds out, and another one is asked.
        if self._control is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(self._control, [json.dumps(order).encode()], process.streams)

    def _hear(self, message: JSONObject, descriptors: Sequence[int]) -> None:
        if "born" in message:
            process = self._unborn.pop(message["born"], None)
            if process is None:
                # It was given up meanwhile.
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptors[0], signal.SIGKILL)
                os.close(descriptors[0])
                return
            self._alive[message["born"]] = process
            process.note_birth(message["pid"], descriptors[0])
        elif "ended" in message:
            ended = self._alive.pop(message["ended"], None)
            if ended is not None:
                ended.note_end(message["status"])
        elif "unsafe" in message:
            _log.debug("Processes are started afresh: %s", message["unsafe"])
            self._end()
            self._start_all_afresh()

    def _note_death(self) -> None:
        """Take another server in place of one that has died; what it has forked lives on."""
        self._end()
        self._alive.clear()
        self._n_deaths += 1
        if self._n_deaths < _MOST_DEATHS:
            _log.debug("The server that forks processes has died; another one is started")
            self._begin()
        else:
            _log.debug("Processes are started afresh: the server has died %d times", self._n_deaths)
            self._start_all_afresh()

    def _start_all_afresh(self) -> None:
        unborn, self._unborn = self._unborn, {}
        for process in unborn.values():
            process.start_afresh()

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            # It may be in the middle of its import, and holds nothing that is of use to anybody.
            self._process.kill()
            self._process.wait()
            self._process = None


def _find_obstacle_of_system() -> str | None:
    """Return what keeps this system from watching processes that another one has forked; None if nothing does."""
    if sys.platform != "linux":
        return "forking is for Linux"
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        # Linux before 5.3, or a container whose rules do not know the call.
        return f"pidfd_open: {error.strerror}"
    return None


def _is_readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
