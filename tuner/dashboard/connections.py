"""Limits on connections, so that slow clients cannot keep others out.

The server's own limits do not suffice: at its limit of connections it accepts no more, and a client that sends a byte
now and then keeps its connection open for ever. Here a request must be complete within a time limit, and a new
connection above the limit closes the idle one that has waited longest, of the address that holds the most connections.
There is no limit per address: behind a proxy all visitors share one.
"""

import resource
import socket
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import create_server

#: Simultaneous connections; each needs a file descriptor, and many systems allow a process 1,024 of them.
MOST_CONNECTIONS = 400
#: Seconds from the connection or the last response until the next request must be complete.
REQUEST_S = 20.0
#: Seconds after which a response is dropped when its client no longer reads.
_STALLED_S = 60
#: Connections accepted above the limit while others are being closed.
_MARGIN = 100


class _RequestParser(HTTPRequestParser):  # type: ignore[misc] # waitress has no types
    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            # For example `http://[/`; the server would close the connection without a response.
            raise ParsingError("The address is malformed.") from error


class Connection(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """One connection, which waits for a request or for its response."""

    parser_class = _RequestParser

    def __init__(self, server: Any, *arguments: Any, **options: Any) -> None:
        self.waits_since = time.monotonic()
        super().__init__(server, *arguments, **options)
        opened = [other for other in server._map.values() if isinstance(other, Connection)]  # noqa: SLF001 - no public name
        if len(opened) > _most_connections():
            make_room(other for other in opened if other is not self)

    @property
    def is_idle(self) -> bool:
        """Whether no complete request waits for a response; an earlier response may still be on its way."""
        return not self.requests and not self.will_close

    def readable(self) -> bool:
        """Say whether to read from the connection; the server asks about once a second."""
        now = time.monotonic()
        if self.requests or self.total_outbufs_len:
            self.waits_since = now
        elif now - self.waits_since > REQUEST_S:
            self.will_close = True
        return bool(super().readable())

    def close_idle_connections(self) -> None:
        """Let the server's loop close the connection, even while its client reads nothing."""
        self.will_close = True
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


def listen(application: Any, *, host: str, port: int, **options: Any) -> Any:
    """Return a server of this application that slow connections cannot block.

    Raises:
        OSError: The address is taken or not this machine's.
        ValueError: The address is malformed.
    """
    server = create_server(
        application,
        host=host,
        port=port,
        connection_limit=_most_connections() + _MARGIN,
        channel_timeout=_STALLED_S,
        # `select` knows no file descriptors above 1,023.
        asyncore_use_poll=True,
        **options,
    )
    # For a host name with several addresses the server listens on each.
    sockets = getattr(server, "map", None) or {0: server}
    for listening in sockets.values():
        if hasattr(listening, "channel_class"):
            listening.channel_class = Connection
    return server


def make_room(connections: Iterable[Connection]) -> None:
    """Close the idle connection that has waited longest, of the address that has the most idle ones."""
    idle = [connection for connection in connections if connection.is_idle]
    held = Counter(connection.addr[0] for connection in idle)
    if idle:
        min(idle, key=lambda connection: (-held[connection.addr[0]], connection.waits_since)).close_idle_connections()


def _most_connections() -> int:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if descriptors == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, descriptors // 2)
