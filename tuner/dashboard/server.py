"""The dashboard as a process: its address, its access rules, its signals and its exit status."""

import logging
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from tuner.artifacts import ArtifactStore
from tuner.dashboard.compression import Compression
from tuner.dashboard.connections import listen
from tuner.dashboard.guard import LOOPBACK_NAMES, Guard, host_of, is_loopback
from tuner.dashboard.site import open_site
from tuner.dashboard.visitors import TokenError, Visitors, check_token
from tuner.errors import TunerError, shorten
from tuner.settings import Settings
from tuner.studies.database.storage import open_storage, open_storage_to_read

_THREADS = 8
#: The largest request body is a note.
_MAX_REQUEST_BYTES = 256 * 1024
#: Responses up to this size wait in memory for a slow client, larger ones in a temporary file.
_ANSWER_IN_MEMORY_BYTES = 16 * 1024 * 1024
_ANY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - recognised, not chosen


class AddressUnusableError(TunerError):
    """The dashboard cannot listen there: the port is taken, or the address is not this machine's."""


class HostNameError(TunerError):
    """A host name is malformed."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where the dashboard listens and what visitors may do."""

    host: str
    #: 0 for any free one.
    port: int
    token: str | None
    allow_writes: bool
    #: Further host names under which it may be requested.
    allowed_hosts: Iterable[str]
    #: With which Prometheus reads the metrics; None: there are none.
    metrics_token: str | None = None

    def visitors(self) -> Visitors | None:
        """Return the visitors to check, or None where all users of this machine may read.

        Raises:
            TokenError: A token is needed and none is given, or it is too short.
        """
        if self.token is not None:
            return Visitors(check_token(self.token))
        if is_loopback(self.host) and not self.allow_writes:
            return None
        why = "With --allow-writes" if is_loopback(self.host) else f"Listening on {self.host}"
        raise TokenError(
            f"{why} the dashboard needs a token. Make one with `openssl rand -hex 24 > token`, then add "
            "--token-file token or set TUNER_DASHBOARD_TOKEN."
        )

    def scraper(self) -> Visitors | None:
        """Return who reads the metrics, with a token that opens nothing else; None without metrics.

        Raises:
            TokenError: Its token is too short, or opens the dashboard too.
        """
        if self.metrics_token is None:
            return None
        if self.metrics_token == self.token:
            raise TokenError(
                "The token of the metrics is also that of the dashboard, which a program that reads metrics must not "
                "open. Make another one: openssl rand -hex 24"
            )
        return Visitors(check_token(self.metrics_token))

    @property
    def names(self) -> frozenset[str]:
        """The host names under which it may be requested.

        Raises:
            HostNameError: One is malformed.
        """
        bound = [] if self.host in _ANY_ADDRESS else [self.host]
        named = {name: host_of(_bracketed(name)) for name in (*bound, *self.allowed_hosts)}
        for name, host in named.items():
            if not host:
                raise HostNameError(
                    f"Received {shorten(name)!r} as a host name; expected one as in tuner.example.org or 10.0.0.1."
                )
        return LOOPBACK_NAMES | set(named.values())


def serve(settings: Settings, access: Access, *, on_listening: Callable[[str], None]) -> int:
    """Serve requests until a signal arrives, and return the exit status: 130 or 143.

    Args:
        settings: Where studies and artifacts are.
        access: Where to listen, and what is allowed.
        on_listening: Called with the address once it accepts connections.

    Raises:
        TunerError: The database, the token, the address or a host name cannot be used.
    """
    visitors, scraper = access.visitors(), access.scraper()
    open_it = open_storage if access.allow_writes else open_storage_to_read
    with open_it(settings.storage) as storage:
        site = open_site(
            storage,
            ArtifactStore(settings.artifacts),
            storage_url=settings.storage,
            signed_in=visitors is not None,
            allow_writes=access.allow_writes,
        )
        guard = Guard(
            application=Compression(application=site),
            hosts=access.names,
            visitors=visitors,
            scraper=scraper,
            allow_writes=access.allow_writes,
            cookie=f"tuner_session_{access.port}",
        )
        server = _open_server(guard, access)
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        received: list[int] = []

        def leave(number: int, _frame: FrameType | None) -> None:
            received.append(number)
            # Ends Waitress' loop after the responses that have begun.
            sys.exit(128 + number)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, leave)
        on_listening(f"http://{_shown_host(access.host)}:{_port_of(server)}/")
        try:
            server.run()
        finally:
            server.close()
        return 128 + received[0] if received else 0


def _open_server(guard: Guard, access: Access) -> Any:
    """Return Waitress' server, which listens already."""
    try:
        return listen(
            guard,
            host=access.host,
            port=access.port,
            threads=_THREADS,
            ident=None,
            max_request_body_size=_MAX_REQUEST_BYTES,
            outbuf_overflow=_ANSWER_IN_MEMORY_BYTES,
            clear_untrusted_proxy_headers=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AddressUnusableError(
            f"Cannot listen on {access.host}:{access.port}: {reason}. Choose another --port or --host."
        ) from error


def _port_of(server: object) -> int:
    # For a host name with several addresses the server listens on each.
    listening = getattr(server, "effective_listen", None) or [(None, getattr(server, "effective_port", 0))]
    return int(listening[0][1])


def _shown_host(host: str) -> str:
    return "127.0.0.1" if host in _ANY_ADDRESS else _bracketed(host)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
