"""The process that has imported what others need, and is forked whenever one of them is wanted.

`ForkServer` in `client` starts it as `python -m tuner.forking.server`, and sends it orders over a socket, each a
message of JSON. It runs no thread and opens no device, no database and no file, so that what is forked from it is like
a process that was just started as `python -m MODULE …`, and has imported much already. It ends when its socket does.
"""

import ctypes
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from tuner.plain_values import JSONObject

#: Bytes of the longest message.
LONGEST_MESSAGE = 2**20
#: An open device of these: its driver was initialised, and works in no process that is forked.
_DEVICES = ("/dev/nvidia", "/dev/kfd")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A process to fork."""

    #: Chosen by who asks for it.
    number: int
    #: What is run, as by `python -m MODULE ARGUMENTS`.
    module: str
    arguments: Sequence[str]
    #: Variables to set, or with None to remove.
    environment: dict[str, str | None]
    #: CPU cores to which it is bound; empty means all.
    cores: Sequence[int]
    #: Its standard input, output and error, sent with the message.
    streams: Sequence[int] = ()


@dataclass(kw_only=True)
class _Server:
    control: socket.socket
    handlers: dict[int, Any]
    #: A descriptor of each process that lives → its number and pid.
    children: dict[int, tuple[int, int]] = field(default_factory=dict)

    def serve(self) -> Order | None:
        """Fork processes until the parent has closed its socket; in each of them, return its order."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is not self.control:
                        selector.unregister(key.fd)
                        self._bury(key.fd)
                        continue
                    order = self._read_order()
                    if order is None:
                        return None
                    descriptor = self._fork(order)
                    if descriptor is None:
                        return order
                    selector.register(descriptor, selectors.EVENT_READ)

    def _read_order(self) -> Order | None:
        message, streams, _, _ = socket.recv_fds(self.control, LONGEST_MESSAGE, 3, socket.MSG_CMSG_CLOEXEC)
        return Order(**json.loads(message), streams=streams) if message else None

    def _fork(self, order: Order) -> int | None:
        """Fork; return a descriptor of the new process, and in that process None."""
        # A signal between the fork and the new process' own handlers would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            return None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        for stream in order.streams:
            os.close(stream)
        descriptor = os.pidfd_open(pid)
        self.children[descriptor] = order.number, pid
        self.say({"born": order.number, "pid": pid}, descriptor)
        return descriptor

    def _bury(self, descriptor: int) -> None:
        number, pid = self.children.pop(descriptor)
        _, status = os.waitpid(pid, 0)
        os.close(descriptor)
        self.say({"ended": number, "status": os.waitstatus_to_exitcode(status)})

    def say(self, message: JSONObject, *descriptors: int) -> None:
        """Send a message to the process that asks for others, with these descriptors."""
        content = json.dumps(message).encode()
        if descriptors:
            socket.send_fds(self.control, [content], descriptors)
        else:
            self.control.sendall(content)

    def refuse(self, obstacle: str) -> None:
        """Say why nothing is forked, and wait until that was read: it is lost if this process ends before."""
        self.say({"unsafe": obstacle})
        while self.control.recv(LONGEST_MESSAGE):
            pass

    def become(self, order: Order) -> None:
        """Make of this forked process one that was started by itself, and run its module."""
        self.control.close()
        for descriptor in self.children:
            os.close(descriptor)
        os.setsid()
        if order.cores:
            os.sched_setaffinity(0, order.cores)
        for number, stream in enumerate(order.streams):
            os.dup2(stream, number)
            os.close(stream)
        for name, value in order.environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _seed_numpy()
        gc.enable()
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        _show_command(["-m", order.module, *order.arguments])
        sys.argv[1:] = order.arguments
        runpy.run_module(order.module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Import what is asked for, say whether this process may be forked, and fork it."""
    _show_command(["-m", "tuner.forking.server"])
    server = _Server(
        control=socket.socket(fileno=int(sys.argv[1])),
        # The process that asked for others signals them. This one ends with its socket.
        handlers={number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS},
    )
    try:
        for name in sys.argv[3:]:
            # All of it stays for good: the garbage collector need not look at it, now and later.
            gc.disable()
            module, _, function = name.partition(":")
            imported = import_module(module)
            if function:
                getattr(imported, function)()
        gc.freeze()
        obstacle = find_obstacle()
    except BaseException as error:  # noqa: BLE001 - a process that is started afresh meets it too, and reports it
        obstacle = f"{type(error).__name__}: {error}"
    try:
        if obstacle is not None:
            server.refuse(obstacle)
        order = server.serve() if obstacle is None else None
    except (BrokenPipeError, ConnectionResetError):
        # The process that asked has died.
        return
    if order is not None:
        server.become(order)


def find_obstacle() -> str | None:
    """Return why this process must not be forked; None where nothing of it would be missing in the new one."""
    n_threads = len(list(Path("/proc/self/task").iterdir()))
    if n_threads > 1:
        return f"{n_threads} threads run after the import"
    devices = [link for link in map(_target, Path("/proc/self/fd").iterdir()) if link.startswith(_DEVICES)]
    return f"{devices[0]} is open after the import" if devices else None


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        # The folder's own, which is closed by now.
        return ""


def _show_command(arguments: Sequence[str]) -> None:
    """Show other arguments of this process to `ps` and the like, in the place of the server's own.

    What does not fit is cut off.
    """
    # Behind the name, which may have brackets and spaces: `man 5 proc` counts them from 1 and the first is the third.
    numbers = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(numbers[45]), int(numbers[46])
    text = b"".join(os.fsencode(word) + b"\0" for word in [sys.executable, *arguments])
    if start:
        ctypes.memmove(start, text[: end - start - 1].ljust(end - start, b"\0"), end - start)


def _seed_numpy() -> None:
    """Seed NumPy's global generator, as at its import: forked processes would draw the same. Python seeds its own."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


if __name__ == "__main__":
    main()
