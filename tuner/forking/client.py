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
from tuner.forking.process import ForkedProcess
from tuner.forking.server import GOODBYE, LONGEST_MESSAGE
from tuner.forking.shared_server import connect, name_for
from tuner.plain_values import JSONObject

_log = logging.getLogger(__name__)

#: Number of deaths of the server after which no other one is started.
_MOST_DEATHS = 3
#: OpenBLAS starts its threads at its import, for products of matrices that no training computes.
_OF_SERVER = {"OPENBLAS_NUM_THREADS": "1"}
#: An argument of the server that leaves room for the arguments of those that it forks, where `ps` looks for them.
_ROOM = "-" * 1000


class ForkServer:
    """Starts processes; use it as a context manager, which leaves the processes alone when it ends.

    Args:
        environment: Of the server, and of each process but for what `late_variables` names. It has what the import of a
            backend needs, see `backend.import_environment`.
        imports: Modules, and functions `MODULE:FUNCTION` that are called and return, in this order.
        changeable: Further variables that a process may have otherwise, because nothing of that reads them.
        is_shared: Whether all processes of this user with equal arguments have one server together. It outlives for a
            minute those that die, and is started without the changeable variables.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        imports: Sequence[str],
        changeable: Collection[str] = (),
        is_shared: bool = False,
    ) -> None:
        self.environment, self._imports = dict(environment), imports
        self._changeable = late_variables().union(_OF_SERVER, changeable)
        self._is_shared = is_shared
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
            self._begin_if_possible()
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
        """Of a server of one's own; None where there is none."""
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
        """Wait until something is heard of a process, at most so long, and take note of it."""
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
        known: dict[str, str] = {**_OF_SERVER, **self.environment}
        names = known.keys() | environment.keys()
        found = {name: environment.get(name) for name in names if environment.get(name) != known.get(name)}
        # Who has started a shared server may have had others of these.
        return found | {name: environment.get(name) for name in self._changeable} if self._is_shared else found

    def _begin_if_possible(self) -> None:
        try:
            self._begin()
        except OSError as error:
            _log.debug("Processes are started afresh: %s", error)
            self._start_all_afresh()

    def _begin(self) -> None:
        if self._is_shared:
            self._control = self._connect()
        else:
            self._control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with inner:
                self._process = self._start_server(str(inner.fileno()), {**_OF_SERVER, **self.environment}, inner)
        for number, process in self._unborn.items():
            self._ask(number, process)

    def _connect(self) -> socket.socket:
        environment = {name: value for name, value in self.environment.items() if name not in self._changeable}
        name = name_for(environment, self._imports)
        return connect(name, lambda: self._start_server(name, {**_OF_SERVER, **environment}).wait())

    def _start_server(
        self, place: str, environment: Mapping[str, str], *handed_over: socket.socket
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "tuner.forking.server", place, _ROOM, *self._imports],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[each.fileno() for each in handed_over],
            start_new_session=True,
        )

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
            self._begin_if_possible()
        else:
            _log.debug("Processes are started afresh: the server has died %d times", self._n_deaths)
            self._start_all_afresh()

    def _start_all_afresh(self) -> None:
        unborn, self._unborn = self._unborn, {}
        for process in unborn.values():
            process.start_afresh()

    def _end(self) -> None:
        if self._control is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._control.sendall(GOODBYE)
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
