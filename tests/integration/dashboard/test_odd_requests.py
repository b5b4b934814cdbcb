"""Requests such as no browser sends, byte by byte: none of them is the server's fault."""

import random
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from support.dashboard_process import running_dashboard
from support.running_studies import begin_trial, create_study, end_trial

from tuner.studies.database.storage import open_storage

TOKEN = "0123456789abcdef" * 2
LONG = b"9" * 5000

Place = tuple[str, int]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A dashboard in which visitors may write, of a study with a finished and a running trial."""
    folder = tmp_path_factory.mktemp("odd")
    url = f"sqlite:///{folder / 'tuner.db'}"
    with open_storage(url) as storage:
        study = create_study(storage)
        end_trial(storage, begin_trial(storage, study, curve=(0.5, 0.7)), score=0.7)
        begin_trial(storage, study, curve=(0.3, 0.4))
    with running_dashboard(url, folder / "artifacts", "--allow-writes", token=TOKEN) as (address, running):
        parts = urlsplit(address)
        yield parts.hostname or "", parts.port or 0
        running.process.terminate()
        assert "Traceback" not in running.stderr.read()


def ask(
    place: Place, target: bytes, *, method: bytes = b"GET", headers: bytes = b"", body: bytes = b"", host: bytes = b""
) -> int:
    """Send one request of somebody who knows the token, and return the status of the answer."""
    request = (
        b"%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(place, timeout=20) as connection:
        named = host or b"127.0.0.1"
        connection.sendall(request % (method, target, named, TOKEN.encode(), headers, len(body)) + body)
        return int(connection.makefile("rb").readline().split()[1])


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/report/%00", 404),
        (b"/report/%ff", 404),
        (b"/report/\xff", 400),
        (b"/report/" + b"x" * 9000, 404),
        (b"/report?" + b"&".join(b"study=s%d" % number for number in range(100)), 400),
        (b"/api/studies/" + LONG, 404),
        (b"/api/studies/9999999999", 404),
        (b"/api/studies/1?after=" + LONG, 400),
        (b"/api/studies/1?after=%D9%A1", 400),
        (b"/api/studies/999/plot/slice", 404),
        (b"/api/studies/1/plot/pareto_front", 422),
        (b"/api/studies/" + LONG + b"/param_importances", 404),
        (b"/csv/" + LONG, 404),
        (b"/artifacts/999/ab", 404),
        (b"/artifacts/1/999/ab", 404),
        (b"http://[/", 400),
        (b"*", 404),
    ],
)
def test_an_address_that_nothing_has_is_told_so(place: Place, target: bytes, status: int) -> None:
    assert ask(place, target) == status


@pytest.mark.parametrize(
    ("target", "method", "body", "status"),
    [
        (b"/api/studies/" + LONG, b"DELETE", b"", 404),
        (b"/api/studies/999", b"DELETE", b"", 404),
        (b"/api/studies/999/note", b"PUT", b'{"body": "a", "version": 1}', 404),
        (b"/api/studies/1/note", b"PUT", b"[" * 5000, 400),
        (b"/api/studies/1/note", b"PUT", b'{"body": "a", "version": ' + LONG + b"}", 400),
        (b"/api/studies/1/note", b"PUT", b'{"body": "\\u0000", "version": 1}', 400),
        (b"/api/studies/1/note", b"PUT", b'{"body": "\\ud800", "version": 1}', 400),
        (b"/api/studies/1/note", b"PUT", b"\xff", 400),
        (b"/api/studies/1/999/note", b"PUT", b'{"body": "a", "version": 1}', 404),
        (b"/api/trials/1/user-attrs", b"POST", b'{"user_attrs": {"a": 1}}', 409),
        (b"/api/trials/2/user-attrs", b"POST", b'{"user_attrs": {"a": NaN}}', 400),
        (b"/api/trials/2/user-attrs", b"POST", b"null", 400),
        (b"/api/trials/2/user-attrs", b"POST", b'{"user_attrs": {"a": 1}}', 204),
        (b"/login", b"POST", b"token=%FF&next=/%00", 401),
    ],
)
def test_what_cannot_be_written_is_refused(
    place: Place, target: bytes, method: bytes, body: bytes, status: int
) -> None:
    assert ask(place, target, method=method, body=body) == status


@pytest.mark.parametrize(
    "origin", [b"http://[", b"null", b"http://evil@127.0.0.1", b"\xff", b"http://127.0.0.1, http://127.0.0.1"]
)
def test_an_origin_that_is_not_this_site_may_not_write(place: Place, origin: bytes) -> None:
    assert ask(place, b"/api/studies/1/note", method=b"PUT", headers=b"Origin: %s\r\n" % origin) == 403


@pytest.mark.parametrize(
    "host",
    [
        b"evil@127.0.0.1", b"evil:x@127.0.0.1:80", b"127.0.0.1/", b"127.0.0.1?x", b"127.0.0.1#x", b"127.0.0.1, evil",
        b"127.0.0.1\r\nHost: evil", b"127.0.0.1:x", b"127.0.0.1:", b"[127.0.0.1", b"[", b"::1", b"127.0.0.1\\x",
        b"\xff",
        b"[::1]evil", b"localhost..", b"127.0.0.1 evil", b" ",
    ],
)  # fmt: skip
def test_only_a_plain_host_header_names_this_site(place: Place, host: bytes) -> None:
    assert ask(place, b"/fleet.json", host=host) == 403


@pytest.mark.parametrize("host", [b"LOCALHOST:8080", b"localhost.", b"[::1]:80", b"127.0.0.1"])
def test_a_plain_host_header_is_understood(place: Place, host: bytes) -> None:
    assert ask(place, b"/fleet.json", host=host) == 200


@pytest.mark.parametrize(
    "headers",
    [
        b'Cookie: =;;;"\\\r\n',
        b"Cookie: \xff\r\n",
        b"Accept-Encoding: gzip\r\nAccept-Encoding: \xff\r\n",
        b"If-None-Match: \xff\r\nIf-None-Match: x\r\n",
        b"Range: bytes=9-1\r\nIf-Modified-Since: Mon, 99 Jan 99999 00:00:00 GMT\r\n",
        b"Accept: \xff\r\nX-Forwarded-For: \xff\r\nX-Forwarded-Proto: x\r\n",
        b"Content-Type: \xff;charset=\xff\r\n",
    ],
)
@pytest.mark.parametrize("target", [b"/", b"/favicon.ico", b"/report/nobody", b"/api/studies/1"])
def test_odd_headers_fail_no_page(place: Place, target: bytes, headers: bytes) -> None:
    assert ask(place, target, headers=headers) < 500


def test_requests_put_together_at_random_are_never_the_servers_fault(place: Place) -> None:
    draw = random.Random(5)  # noqa: S311 - the same requests each time
    words = [
        b"1",
        b"0",
        b"-1",
        b"999",
        LONG,
        b"%00",
        b"\xff",
        b"%ED%A0%80",
        b"\xb2",
        b"..",
        b"%2e%2e",
        b"a",
        b"%",
        b"?",
    ]
    starts = b"""/ /fleet/ /report/ /report?study= /login?next= /api/ /api/studies/ /api/studies/1/plot/ /api/trials/
        /csv/ /csv/1?trial_ids= /artifacts/ /artifacts/1/ /api/artifacts/ /static/ /dashboard/ /api/meta/ //""".split()
    methods = [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"POST", b"DELETE", b"PATCH", b"FOO"]

    for _ in range(300):
        target = draw.choice(starts) + b"/".join(draw.choice(words) for _ in range(draw.randint(1, 3)))
        method, body = draw.choice(methods), draw.choice([b"", b"{}", b"[]", b"null", b"{", b"\xff"])
        assert ask(place, target, method=method, body=body) < 500, (method, target[:200], body)
