"""How many connections stay open, and for how long without a whole request: slow ones must not keep others out.

The server's own limits do not serve: at its limit of connections it accepts no more, and one byte now and then keeps a
connection open for ever. Here a request has to be whole in time, and where there are too many connections the one that
has waited for longest makes room for the next, taken from the address that holds the most. No address has a limit of
its own: behind a proxy all visitors have one address.
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

#: Connections at a time; each is a file descriptor, of which many systems allow a process 1,024.
MOST_CONNECTIONS = 400
#: Seconds from the connection, or from the last answer, until the next request is whole.
REQUEST_S = 20.0
#: Seconds after which an answer ends that nobody reads any more.
_STALLED_S = 60
#: Connections above the limit, while those that have to make room close.
_MARGIN = 100


class _RequestParser(HTTPRequestParser):  # type: ignore[misc] # waitress has no types
    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            # Of `http://[/`, for one; the server would close the connection without a word.
            raise ParsingError("The address is malformed.") from error


class Connection(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """One connection, which waits for a request or is being answered."""

    parser_class = _RequestParser

    def __init__(self, server: Any, *arguments: Any, **options: Any) -> None:
        self.waits_since = time.monotonic()
        super().__init__(server, *arguments, **options)
        opened = [other for other in server._map.values() if isinstance(other, Connection)]  # noqa: SLF001 - no public name
        if len(opened) > _most_connections():
            make_room(other for other in opened if other is not self)

    @property
    def is_idle(self) -> bool:
        """Whether there is no whole request to be answered; an answer may still be on its way out."""
        return not self.requests and not self.will_close

    def readable(self) -> bool:
        """Say whether a request is wanted; the server asks about once a second."""
        now = time.monotonic()
        if self.requests or self.total_outbufs_len:
            self.waits_since = now
        elif now - self.waits_since > REQUEST_S:
            self.will_close = True
        return bool(super().readable())

    def close_idle_connections(self) -> None:
        """Let the server's loop close the connection, also while its visitor reads nothing."""
        self.will_close = True
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


def listen(application: Any, *, host: str, port: int, **options: Any) -> Any:
    """Return a server of this application that outlasts slow connections.

    Raises:
        OSError: Nobody can listen there.
        ValueError: This is no address.
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
    # A host name with several addresses gives a server that listens on each.
    sockets = getattr(server, "map", None) or {0: server}
    for listening in sockets.values():
        if hasattr(listening, "channel_class"):
            listening.channel_class = Connection
    return server


def make_room(connections: Iterable[Connection]) -> None:
    """Close the idle connection that has waited for longest, of the address that has the most of them."""
    idle = [connection for connection in connections if connection.is_idle]
    held = Counter(connection.addr[0] for connection in idle)
    if idle:
        min(idle, key=lambda connection: (-held[connection.addr[0]], connection.waits_since)).close_idle_connections()


def _most_connections() -> int:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if descriptors == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, descriptors // 2)
