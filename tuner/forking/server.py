"""The process that has imported what others need, and is forked whenever one of them is wanted.

`ForkServer` in `client` starts it as `python -m tuner.forking.server`, and sends it orders over a socket, each a
message of JSON. It runs no thread and opens no device, no database and no file, so that what is forked from it is like
a process that was just started as `python -m MODULE …`, and has imported much already. It ends when its socket does.

With a name in place of a socket it serves all processes of its user that connect to that name (`shared_server`), and
outlives for a while those that die, so that their successors find it there.
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
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from tuner.forking.shared_server import is_of_this_user, listen_in_background
from tuner.plain_values import JSONObject

#: Bytes of the longest message.
LONGEST_MESSAGE = 2**20
#: The last message of one that needs no successor.
GOODBYE = b"{}"
#: Seconds for which a shared server waits for the successor of the last one that has died.
_LINGER_S = 60.0
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


@dataclass(frozen=True, kw_only=True)
class _Child:
    """A process that was forked."""

    client: socket.socket
    number: int
    pid: int


@dataclass(kw_only=True)
class _Server:
    handlers: dict[int, Any]
    #: Those that ask for processes.
    clients: set[socket.socket]
    #: Where further ones connect; None for a server of one.
    listener: socket.socket | None
    #: Why this process must not be forked.
    obstacle: str | None = None
    #: By a descriptor of each process that lives.
    children: dict[int, _Child] = field(default_factory=dict)
    #: Whether the client that has left last may have a successor.
    _lingers: bool = True

    def serve(self) -> Order | None:
        """Fork processes until nobody asks any more; in each of them, return its order."""
        with selectors.DefaultSelector() as selector:
            for client in self.clients:
                self._welcome(client, selector)
            if self.listener is not None:
                selector.register(self.listener, selectors.EVENT_READ)
            while self.clients or (self.listener is not None and self._lingers):
                ready = selector.select(None if self.clients else _LINGER_S)
                if not ready:
                    return None
                for key, _ in ready:
                    if key.fd in self.children:
                        selector.unregister(key.fd)
                        self._bury(key.fd)
                    elif key.fileobj is self.listener:
                        self._accept(selector)
                    elif order := self._hear(key.fileobj, selector):
                        return order
        return None

    def _accept(self, selector: selectors.BaseSelector) -> None:
        client = self.listener.accept()[0] if self.listener is not None else None
        if client is not None and is_of_this_user(client):
            self.clients.add(client)
            self._welcome(client, selector)
        elif client is not None:
            client.close()

    def _welcome(self, client: socket.socket, selector: selectors.BaseSelector) -> None:
        selector.register(client, selectors.EVENT_READ)
        if self.obstacle is not None:
            _say(client, {"unsafe": self.obstacle})

    def _hear(self, client: Any, selector: selectors.BaseSelector) -> Order | None:
        """Do what a client asks for; in a process that was forked for it, return its order."""
        message, streams = b"", list[int]()
        with suppress(ConnectionResetError):
            message, streams, _, _ = socket.recv_fds(client, LONGEST_MESSAGE, 3, socket.MSG_CMSG_CLOEXEC)
        if message in {b"", GOODBYE}:
            self._lingers = self.obstacle is None and message != GOODBYE
            selector.unregister(client)
            self.clients.remove(client)
            client.close()
        elif self.obstacle is None:
            order = Order(**json.loads(message), streams=streams)
            descriptor = self._fork(client, order)
            if descriptor is None:
                return order
            selector.register(descriptor, selectors.EVENT_READ)
        for stream in streams:
            os.close(stream)
        return None

    def _fork(self, client: socket.socket, order: Order) -> int | None:
        """Fork; return a descriptor of the new process, and in that process None."""
        # A signal between the fork and the new process' own handlers would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            return None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        descriptor = os.pidfd_open(pid)
        self.children[descriptor] = _Child(client=client, number=order.number, pid=pid)
        _say(client, {"born": order.number, "pid": pid}, descriptor)
        return descriptor

    def _bury(self, descriptor: int) -> None:
        child = self.children.pop(descriptor)
        _, status = os.waitpid(child.pid, 0)
        os.close(descriptor)
        if child.client in self.clients:
            _say(child.client, {"ended": child.number, "status": os.waitstatus_to_exitcode(status)})

    def become(self, order: Order) -> None:
        """Make of this forked process one that was started by itself, and run its module."""
        for open_socket in (*self.clients, *([] if self.listener is None else [self.listener])):
            open_socket.close()
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
    _, place, _, *imports = sys.argv
    _show_command(["-m", "tuner.forking.server"])
    listener = None if place.isdigit() else listen_in_background(place)
    if listener is None and not place.isdigit():
        # Another one has the name.
        return
    server = _Server(
        clients=set() if listener is not None else {socket.socket(fileno=int(place))},
        listener=listener,
        # The process that asked for others signals them. This one ends with its socket.
        handlers={number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS},
    )
    try:
        for name in imports:
            # All of it stays for good: the garbage collector need not look at it, now and later.
            gc.disable()
            module, _, function = name.partition(":")
            imported = import_module(module)
            if function:
                getattr(imported, function)()
        gc.freeze()
        server.obstacle = find_obstacle()
    except BaseException as error:  # noqa: BLE001 - a process that is started afresh meets it too, and reports it
        server.obstacle = f"{type(error).__name__}: {error}"
    order = server.serve()
    if order is not None:
        server.become(order)


def _say(client: socket.socket, message: JSONObject, *descriptors: int) -> None:
    """Send a message with these descriptors; one who has died is heard of by that."""
    content = json.dumps(message).encode()
    with suppress(BrokenPipeError, ConnectionResetError):
        if descriptors:
            socket.send_fds(client, [content], descriptors)
        else:
            client.sendall(content)


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
