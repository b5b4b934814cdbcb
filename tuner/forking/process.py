"""A process that a server was asked to fork, with those of `subprocess.Popen`'s methods that are needed here."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Protocol

from tuner.errors import RestartNeededError

#: Seconds between two looks at a process that was started afresh.
_LOOK_S = 0.05
#: The status of a process whose end nobody has seen, as the server had died before it: see what there is to do.
UNKNOWN_STATUS = RestartNeededError.exit_status


class Server(Protocol):
    """What a process asks of who has asked for it; see `ForkServer`."""

    def listen(self, timeout_s: float) -> None: ...

    def has(self, process: "ForkedProcess") -> bool: ...

    def forget(self, process: "ForkedProcess") -> None: ...


class ForkedProcess:
    """A process that a `ForkServer` was asked for, with those of `subprocess.Popen`'s methods that are needed here.

    It may be born later: the server imports Keras first. What is sent to it until then reaches it at its birth.
    """

    def __init__(
        self,
        server: Server,
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
        """Send SIGKILL; one that is not yet born is given up."""
        # Its birth may not have been heard of.
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


def _is_readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
