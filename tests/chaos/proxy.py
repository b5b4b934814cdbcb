"""A TCP proxy before Postgres that cuts connections, holds bytes back, and swallows the answer to a COMMIT."""

import contextlib
import select
import socket
import struct
import threading
from types import TracebackType
from typing import Self

_CHUNK = 65_536
#: Length of a message's header: its type in one byte, and its size without that byte in four.
_HEADER = 5
#: psycopg2 ends a transaction by a simple query.
_QUERY = b"Q"


class FaultyProxy:
    """Listens on a free port of this machine while it is used as a context manager."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self._accepting = True
        self._lock = threading.Lock()
        self._connections: set[_Connection] = set()
        self._to_skip, self._to_swallow = 0, 0
        #: COMMITs seen, and COMMITs whose answer was swallowed.
        self.commits, self.swallowed = 0, 0

    def url(self, direct_url: str) -> str:
        """Return the URL of the same database by way of this proxy."""
        return direct_url.replace(f":{self._target_port}/", f":{self.port}/")

    def cut(self) -> None:
        """Close every connection; new ones are accepted."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def refuse(self) -> None:
        """Close every connection, and every new one at once, until `accept`."""
        self._accepting = False
        self.cut()

    def accept(self) -> None:
        """Let connections through again."""
        self._accepting = True

    def hold(self) -> None:
        """Accept bytes and pass none on, in either direction, until `release`."""
        self._flowing.clear()

    def release(self) -> None:
        """Pass on what was held back, and what comes."""
        self._flowing.set()

    def swallow_commits(self, n_commits: int = 1, *, after: int = 0) -> None:
        """Let so many COMMITs pass, then lose the answers to the next ones: applied, but nobody is told."""
        with self._lock:
            self._to_skip, self._to_swallow = after, n_commits

    def wait_until_flowing(self) -> None:
        self._flowing.wait()

    def count_commit(self) -> bool:
        """Note a COMMIT on its way to the server; say whether to swallow its answer."""
        with self._lock:
            self.commits += 1
            if self._to_skip:
                self._to_skip -= 1
                return False
            if not self._to_swallow:
                return False
            self._to_swallow -= 1
            self.swallowed += 1
            return True

    def forget(self, connection: "_Connection") -> None:
        with self._lock:
            self._connections.discard(connection)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if not self._accepting:
                    raise ConnectionRefusedError
                server = socket.create_connection(("127.0.0.1", self._target_port), timeout=5)
            except OSError:
                client.close()
                continue
            connection = _Connection(self, client, server)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=connection.serve, daemon=True).start()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, name="proxy", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Closing alone would leave the accepting thread in its system call.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.release()
        self.cut()


class _Connection:
    """One client's connection and its counterpart to the server; one thread serves both directions."""

    def __init__(self, proxy: FaultyProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._messages = CommitFinder()
        self._is_swallowing = False

    def serve(self) -> None:
        try:
            # Either side goes at some time, or `close` is called meanwhile: thus each connection ends.
            with contextlib.suppress(OSError, ValueError):
                self._pump()
        finally:
            self.close()
            for end in (self._client, self._server):
                end.close()
            self._proxy.forget(self)

    def _pump(self) -> None:
        while True:
            readable, _, _ = select.select([self._client, self._server], [], [])
            for end in readable:
                content = end.recv(_CHUNK)
                if not content:
                    return
                self._proxy.wait_until_flowing()
                if end is self._client:
                    self._is_swallowing |= any(self._proxy.count_commit() for _ in self._messages.find(content))
                    self._server.sendall(content)
                elif self._is_swallowing:
                    # The answer has come, so the COMMIT is applied.
                    return
                else:
                    self._client.sendall(content)

    def close(self) -> None:
        """End both directions; the serving thread closes the sockets."""
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class CommitFinder:
    """Finds COMMITs in what a client sends, whatever pieces it arrives in."""

    def __init__(self) -> None:
        self._buffer = b""
        self._has_started = False

    def find(self, content: bytes) -> list[bytes]:
        """Return the COMMITs that are complete with this piece."""
        self._buffer += content
        if not self._has_started:
            self._skip_startup()
        found = []
        while self._has_started and len(self._buffer) >= _HEADER:
            kind, size = struct.unpack_from("!ci", self._buffer)
            if len(self._buffer) < size + 1:
                break
            message, self._buffer = self._buffer[: size + 1], self._buffer[size + 1 :]
            if kind == _QUERY and message[_HEADER:].strip(b"\0; ").upper() == b"COMMIT":
                found.append(message)
        return found

    def _skip_startup(self) -> None:
        """Pass over the first packets, which have no type: requests for encryption, then the parameters."""
        protocol_3 = 3 << 16
        while len(self._buffer) >= 8:
            size, code = struct.unpack_from("!ii", self._buffer)
            if len(self._buffer) < size:
                return
            self._buffer = self._buffer[size:]
            if code >> 16 == protocol_3 >> 16:
                self._has_started = True
                return
