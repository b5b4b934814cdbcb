"""Connections that never finish a request, on real sockets of the loopback."""

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from support.dashboard_process import running_dashboard

from tuner.dashboard import connections
from tuner.studies.database.storage import open_storage

TOKEN = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard that asks for a token."""
    folder: Path = tmp_path_factory.mktemp("dashboard")
    url = f"sqlite:///{folder / 'tuner.db'}"
    open_storage(url).close()
    with running_dashboard(url, folder / "artifacts", token=TOKEN) as (address, _):
        yield address


@contextmanager
def slow_visitors(address: str, count: int, *, every_s: float, piece: bytes = b"x") -> Iterator[list[socket.socket]]:
    """Keep so many connections open that send a piece of a request now and then."""
    place = urlsplit(address)
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection((place.hostname or "", place.port or 0), timeout=10))
            for _ in range(count)
        ]
        over = threading.Event()

        def send() -> None:
            while not over.wait(every_s):
                for visitor in sockets:
                    try:
                        visitor.send(piece)
                    except OSError:
                        continue

        for visitor in sockets:
            visitor.send(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        sender = threading.Thread(target=send)
        sender.start()
        stack.callback(sender.join)
        stack.callback(over.set)
        yield sockets


def is_closed(visitor: socket.socket) -> bool:
    """Say whether the server has closed the connection."""
    with selectors.DefaultSelector() as selector:
        selector.register(visitor, selectors.EVENT_READ)
        if not selector.select(timeout=0):
            return False
    try:
        return visitor.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("count", [300, 500])
def test_slow_connections_without_a_token_keep_nobody_out(address: str, count: int) -> None:
    waits_s = []
    with slow_visitors(address, count, every_s=1.0):
        for _ in range(4):
            started = time.monotonic()
            answer = requests.get(f"{address}/login", timeout=30)
            waits_s.append(time.monotonic() - started)
            assert answer.status_code == 200
            time.sleep(0.3)

    assert max(waits_s) < 2.0


@pytest.fixture
def server() -> Iterator[Any]:
    """A server of the loopback whose loop the test itself turns."""
    listening = connections.listen(answer_ok, host="127.0.0.1", port=0, threads=1)
    yield listening
    listening.task_dispatcher.shutdown()
    listening.asyncore.close_all(listening._map)


def answer_ok(_environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def turn(server: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        server.asyncore.loop(timeout=0.02, use_poll=True, map=server._map, count=1)


def connect(server: Any, sent: bytes, *, source: str = "127.0.0.1") -> socket.socket:
    visitor = socket.create_connection(("127.0.0.1", server.effective_port), source_address=(source, 0))
    visitor.send(sent)
    turn(server, 0.1)
    return visitor


def test_a_request_that_is_not_whole_in_time_is_given_up_although_bytes_keep_coming(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 1.0)
    beginnings = [b"", b"\r\n", b"GET / HTTP/1.1\r\nA: b", b"POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\nab"]
    with ExitStack() as stack:
        visitors = [stack.enter_context(connect(server, beginning)) for beginning in beginnings]
        pieces = [b"", b"\r\n", b"c", b"d"]
        for _ in range(3):
            turn(server, 0.5)
            for visitor, piece in zip(visitors, pieces, strict=True):
                with suppress(OSError):
                    visitor.send(piece)
        turn(server, 0.2)

        assert [is_closed(visitor) for visitor in visitors] == [True] * 4


def test_an_answered_connection_stays_open_for_the_next_request(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 1.0)
    with connect(server, b"GET / HTTP/1.1\r\n\r\n") as visitor:
        for _ in range(3):
            turn(server, 0.5)
            assert visitor.recv(1000).endswith(b"ok")
            visitor.send(b"GET / HTTP/1.1\r\n\r\n")
        turn(server, 0.1)

        assert visitor.recv(1000).endswith(b"ok")


def test_the_one_that_waits_for_longest_of_the_address_with_the_most_makes_room(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 4)
    with ExitStack() as stack:
        alone = stack.enter_context(connect(server, b"GET / ", source="127.0.0.2"))
        many = [stack.enter_context(connect(server, b"GET / ")) for _ in range(5)]
        turn(server, 0.2)

        assert not is_closed(alone)
        assert [is_closed(visitor) for visitor in many] == [True, True, False, False, False]
