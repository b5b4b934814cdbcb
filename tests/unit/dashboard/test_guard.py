import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from support.wsgi_client import Answer, ask

from tuner.dashboard.guard import LOOPBACK_NAMES, Guard, host_of, is_loopback, local_path
from tuner.dashboard.policies import guard_headers
from tuner.dashboard.visitors import Visitors

TOKEN = "an unguessable token".replace(" ", "-")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def site(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer whatever is asked, as an application without any care would."""
    kind = "text/html" if environ["PATH_INFO"].endswith("html") else "image/png"
    start_response("200 OK", [("Content-Type", kind), ("Access-Control-Allow-Origin", "*"), ("Server", "careless")])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else b"reached"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_guard() -> Guard:
    return Guard(application=site, hosts=LOOPBACK_NAMES, visitors=None, allow_writes=False)


@pytest.fixture
def closed_guard(clock: Clock) -> Guard:
    return Guard(application=site, hosts=LOOPBACK_NAMES, visitors=Visitors(TOKEN, clock=clock), allow_writes=True)


def sign_in(guard: Guard, token: str = TOKEN, **headers: str) -> Answer:
    return ask(guard, "/login", "POST", form={"token": token, "next": "/fleet?x=1"}, **headers)


def session_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "localhost."])
def test_loopback_names_are_answered(open_guard: Guard, host: str) -> None:
    assert ask(open_guard, host=host).body == b"reached"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "",
        "localhost.evil.example",
        "127.0.0.1@evil.example",
        "a b",
        "[::1",
        "10.0.0.1",
    ],
)
def test_a_strangers_name_for_this_address_is_refused(open_guard: Guard, host: str) -> None:
    answer = ask(open_guard, host=host)

    assert answer.status == 403
    assert "--allowed-host" in json.loads(answer.body)["reason"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/studies"),
        ("PUT", "/api/studies/1/note"),
        ("DELETE", "/api/studies/1"),
        ("PATCH", "/fleet"),
        ("TRACE", "/login"),
        ("POST", "/logout"),
    ],
)
def test_a_read_only_dashboard_refuses_every_write_in_one_line(open_guard: Guard, method: str, path: str) -> None:
    answer = ask(open_guard, path, method)

    assert answer.status == 403
    assert answer.headers["content-type"] == "application/json"
    assert answer.body.count(b"\n") == 1
    assert "--allow-writes" in json.loads(answer.body)["reason"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_goes_through(open_guard: Guard, method: str) -> None:
    assert ask(open_guard, "/api/studies", method).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/api/studies/3/note", 200),
        ("PUT", "/api/studies/3/14/note", 200),
        ("POST", "/api/trials/14/user-attrs", 200),
        ("DELETE", "/api/studies/3", 200),
        ("POST", "/api/trials/14/tell", 403),
        ("POST", "/api/studies/3/rename", 403),
        ("POST", "/api/studies", 403),
        ("POST", "/api/artifacts/3", 403),
        ("POST", "/incompatible-rdb-schema", 403),
        ("DELETE", "/api/studies/3/", 403),
        ("PUT", "/api/studies/3/note/../../x", 403),
    ],
)
def test_allowed_writes_are_those_that_leave_studies_whole(
    closed_guard: Guard, method: str, path: str, status: int
) -> None:
    assert ask(closed_guard, path, method, authorization=f"Bearer {TOKEN}").status == status


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9999", "null", "http://localhost:8080"])
def test_a_write_that_another_site_sends_is_refused_even_with_the_cookie(closed_guard: Guard, origin: str) -> None:
    cookie = session_of(sign_in(closed_guard))

    answer = ask(closed_guard, "/api/studies/3", "DELETE", cookie=cookie, origin=origin)

    assert answer.status == 403
    assert ask(closed_guard, "/api/studies/3", "DELETE", cookie=cookie, origin="http://127.0.0.1:8080").status == 200


def test_strangers_are_sent_to_sign_in_and_their_programs_are_told(closed_guard: Guard) -> None:
    page = ask(closed_guard, "/report/a?x=1", accept="text/html,*/*")
    program = ask(closed_guard, "/api/studies")

    assert (page.status, page.headers["location"]) == (303, "/login?next=/report/a%3Fx%3D1")
    assert (program.status, program.headers["www-authenticate"]) == (401, 'Bearer realm="tuner"')
    assert b"reached" not in page.body + program.body


def test_the_right_token_opens_a_session_that_does_not_tell_it(closed_guard: Guard) -> None:
    answer = sign_in(closed_guard)

    cookie = answer.headers["set-cookie"]
    assert (answer.status, answer.headers["location"]) == (303, "/fleet?x=1")
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert ask(closed_guard, cookie=session_of(answer)).body == b"reached"


def test_behind_https_the_cookie_stays_there(closed_guard: Guard) -> None:
    cookie = closed_guard._cookie({"wsgi.url_scheme": "https"}, "x", max_age_s=1)  # type: ignore[arg-type,typeddict-item]

    assert cookie.endswith("; Secure")


FORGERIES = {
    "another signature": lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
    "longer": lambda cookie: f"{cookie}0",
    "empty": lambda _: "tuner_session=",
    "later end": lambda cookie: cookie.replace("=", "=f", 1),
    "no ASCII": lambda _: "tuner_session=\u00e4.\u00e4",
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_session_is_worth_nothing(closed_guard: Guard, forge: Callable[[str], str]) -> None:
    assert ask(closed_guard, cookie=forge(session_of(sign_in(closed_guard)))).status == 401


def test_another_process_session_is_worth_nothing(closed_guard: Guard, clock: Clock) -> None:
    assert ask(closed_guard, cookie=f"tuner_session={Visitors(TOKEN, clock=clock).open_session()}").status == 401


def test_a_session_ends_after_half_a_day_or_by_signing_out(closed_guard: Guard, clock: Clock) -> None:
    first, second = session_of(sign_in(closed_guard)), session_of(sign_in(closed_guard))

    left = ask(closed_guard, "/logout", "POST", cookie=first)

    assert "Max-Age=0" in left.headers["set-cookie"]
    assert ask(closed_guard, cookie=first).status == 401
    assert ask(closed_guard, cookie=second).status == 200
    clock.now += 12 * 3600 + 1
    assert ask(closed_guard, cookie=second).status == 401


def test_a_bearer_token_is_accepted_and_a_wrong_one_is_not(closed_guard: Guard) -> None:
    assert ask(closed_guard, "/api/studies", authorization=f"Bearer {TOKEN}").status == 200
    assert ask(closed_guard, "/api/studies", authorization=f"bearer {TOKEN}x").status == 401
    assert ask(closed_guard, "/api/studies", authorization=f"Basic {TOKEN}").status == 401


def test_a_thousand_wrong_tokens_get_nowhere_and_leave_open_sessions_alone(closed_guard: Guard, clock: Clock) -> None:
    cookie = session_of(sign_in(closed_guard))

    answers = []
    for number in range(1000):
        clock.now += 0.01
        answers.append(sign_in(closed_guard, token=f"wrong-{number}"))
        assert ask(closed_guard, cookie=cookie).status == 200

    statuses = [answer.status for answer in answers]
    assert statuses.count(401) == 5
    assert statuses.count(429) == 995
    assert not any("set-cookie" in answer.headers for answer in answers)
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 12
    # Who guesses on is not listened to, even when right; others are.
    assert sign_in(closed_guard).status == 429
    assert sign_in(closed_guard, remote_addr="198.51.100.1").status == 303
    clock.now += 12
    assert sign_in(closed_guard).status == 303


def test_guessing_from_many_addresses_is_limited_too(closed_guard: Guard) -> None:
    statuses = [
        ask(closed_guard, authorization="Bearer wrong", remote_addr=f"198.51.{number // 250}.{number % 250}").status
        for number in range(1000)
    ]

    assert statuses.count(401) == 60
    assert statuses.count(429) == 940


def test_one_ipv6_customer_is_one_guesser(closed_guard: Guard) -> None:
    statuses = [
        ask(closed_guard, authorization="Bearer wrong", remote_addr=f"2001:db8::{number:x}").status
        for number in range(1, 9)
    ]

    assert statuses == [401] * 5 + [429] * 3


def test_right_tokens_use_no_guesses_up(closed_guard: Guard) -> None:
    assert {ask(closed_guard, authorization=f"Bearer {TOKEN}").status for _ in range(100)} == {200}


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\r\nX: y", "javascript:x"]
)
def test_signing_in_leads_to_this_site_alone(wanted: str) -> None:
    assert local_path(wanted) == "/"


def test_markup_in_the_login_form_stays_text(closed_guard: Guard) -> None:
    page = ask(closed_guard, "/login?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E").body

    assert b"<script>alert" not in page


def test_an_overlong_form_is_not_read(closed_guard: Guard) -> None:
    assert ask(closed_guard, "/login", "POST", form={"token": TOKEN + " " * 5000}).status == 401


def test_every_answer_protects_its_reader(closed_guard: Guard, open_guard: Guard) -> None:
    answers = [
        ask(open_guard, "/dashboard"),
        ask(open_guard, "/artifacts/1/2/3"),
        ask(open_guard, "/api/studies", "POST"),
        ask(open_guard, host="evil.example"),
        ask(closed_guard, "/login"),
        ask(closed_guard, "/"),
    ]

    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers


@pytest.mark.parametrize("path", ["/artifacts/1/abc.html", "/artifacts/1/2/abc.html", "/unknown.html"])
def test_a_strangers_html_is_saved_never_shown(open_guard: Guard, path: str) -> None:
    headers = ask(open_guard, path).headers

    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == "attachment"
    assert headers["content-security-policy"].startswith("sandbox;")


def test_the_error_of_a_mistyped_address_is_shown_and_not_downloaded() -> None:
    given = [("Content-Type", "text/html; charset=UTF-8")]

    mistyped, artifact = (
        dict(guard_headers(path, given, status="404 Not Found")) for path in ("/nowhere", "/artifacts/1/2/x.html")
    )

    assert mistyped["Content-Type"] == "text/html; charset=utf-8"
    assert mistyped["Content-Security-Policy"].startswith("sandbox;")
    assert artifact["Content-Type"] == "application/octet-stream"


def test_a_strangers_picture_is_shown_in_a_sandbox(open_guard: Guard) -> None:
    headers = ask(open_guard, "/artifacts/1/2/abc").headers

    assert headers["content-type"] == "image/png"
    assert "content-disposition" not in headers
    assert headers["content-security-policy"].startswith("sandbox;")


@pytest.mark.parametrize(
    ("header", "host"), [("a.b:80", "a.b"), ("[::1]:80", "::1"), ("A", "a"), ("a.", "a"), ("[", ""), ("", "")]
)
def test_the_name_is_read_from_the_header(header: str, host: str) -> None:
    assert host_of(header) == host


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.9", True), ("::1", True), ("0.0.0.0", False), ("10.1.2.3", False), ("box", False)],  # noqa: S104 - only looked at
)
def test_loopback_is_this_machine_alone(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_metrics_have_a_token_of_their_own_and_are_not_there_without_one(closed_guard: Guard, clock: Clock) -> None:
    scraper = "a token for the metrics".replace(" ", "-")
    with_metrics = replace(closed_guard, scraper=Visitors(scraper, clock=clock))

    def status(guard: Guard, token: str | None, path: str = "/metrics") -> int:
        return ask(guard, path, **({} if token is None else {"authorization": f"Bearer {token}"})).status

    assert status(with_metrics, scraper) == 200
    assert [status(with_metrics, token) for token in (TOKEN, None)] == [401, 401]
    assert status(with_metrics, scraper, path="/fleet") == 401
    assert [status(closed_guard, token) for token in (TOKEN, scraper, None)] == [404, 404, 404]
