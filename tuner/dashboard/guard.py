"""Access control: every request passes here before any page sees it.

It checks the Host header (an unknown name that leads to this address is DNS rebinding), the origin of a form, the
visitor's session, and whether the request would write. The response gets the headers of `policies.py`.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from tuner.dashboard.pages import login_page
from tuner.dashboard.policies import guard_headers
from tuner.dashboard.responses import Response, html_response, redirect, refusal
from tuner.dashboard.visitors import SESSION_S, Visitors
from tuner.errors import shorten

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

METRICS_PATH = "/metrics"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
#: What `--allow-writes` allows. Other writes, such as a study renamed or a trial ended by Optuna alone, would make
#: tuner's tables and Optuna's contradict each other.
_WRITES = (
    ("PUT", re.compile(r"/api/studies/\d+/note")),
    ("PUT", re.compile(r"/api/studies/\d+/\d+/note")),
    ("POST", re.compile(r"/api/trials/\d+/user-attrs")),
    ("DELETE", re.compile(r"/api/studies/\d+")),
)
_MAX_FORM_BYTES = 4096
#: A Host header and nothing else: no user in front of it, no path behind it, no second one.
_HOST = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{1,5})?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Guard:
    """WSGI middleware around the whole site."""

    application: "WSGIApplication"
    #: Host names under which this site may be requested, without port.
    hosts: frozenset[str]
    #: None when no sign-in is needed.
    visitors: Visitors | None
    allow_writes: bool
    #: Who reads the metrics, with a token that opens nothing else; None when there are no metrics.
    scraper: Visitors | None = None
    #: Differs between dashboards on one machine, because cookies are shared between ports.
    cookie: str = "tuner_session"

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")

        def start_guarded(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            return start_response(status, guard_headers(path, headers, status=status), exc_info)

        is_scrape = path == METRICS_PATH and environ["REQUEST_METHOD"] in _READING
        refuse = self._refuse_scraper if is_scrape else self._refuse
        refused = self._refuse_name(environ) or refuse(environ)
        if refused is not None:
            return refused.send(environ, start_guarded)
        # Optuna Dashboard fails when the header is missing or is not UTF-8.
        takes_gzip = "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "")
        environ["HTTP_ACCEPT_ENCODING"] = "gzip" if takes_gzip else "identity"
        return self.application(environ, start_guarded)

    def _refuse_name(self, environ: "WSGIEnvironment") -> Response | None:
        """Return the response to a request under a name that is not this site's; None for others."""
        header = environ.get("HTTP_HOST", "")
        host = host_of(header)
        if not host or host not in self.hosts:
            return refusal(
                HTTPStatus.FORBIDDEN,
                f"This dashboard does not answer to the name {shorten(host or header)!r}. "
                "Start it with --allowed-host NAME to allow this name.",
            )
        return None

    def _refuse(self, environ: "WSGIEnvironment") -> Response | None:
        """Return the response to a refused request; None for an allowed one."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method not in _READING and not _sent_from_here(environ):
            return refusal(HTTPStatus.FORBIDDEN, "Another site sent this request.")
        if self.visitors is not None:
            if path == "/login":
                return self._login(environ, self.visitors)
            refused = self._refuse_stranger(environ, path, self.visitors)
            if refused is not None:
                return refused
            if path == "/logout" and method == "POST":
                self.visitors.end_session(self._session(environ))
                return redirect("/login", {"Set-Cookie": self._cookie(environ, "", max_age_s=0)})
        return None if method in _READING else self._refuse_write(method, path)

    def _refuse_write(self, method: str, path: str) -> Response | None:
        if not self.allow_writes:
            return refusal(
                HTTPStatus.FORBIDDEN,
                "This dashboard is read-only. Start it with `tuner dashboard --allow-writes` to change notes and "
                "delete studies here.",
            )
        if any(method == allowed and pattern.fullmatch(path) for allowed, pattern in _WRITES):
            return None
        return refusal(
            HTTPStatus.FORBIDDEN,
            "The dashboard changes notes and trial attributes and deletes studies; use the command `tuner study` for "
            "anything else.",
        )

    def _refuse_stranger(self, environ: "WSGIEnvironment", path: str, visitors: Visitors) -> Response | None:
        if visitors.knows(self._session(environ)):
            return None
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() == "bearer":
            return _refuse_token(visitors, token, environ)
        if environ["REQUEST_METHOD"] == "GET" and "text/html" in environ.get("HTTP_ACCEPT", ""):
            query = environ.get("QUERY_STRING", "")
            return redirect(f"/login?next={quote(f'{path}?{query}' if query else path, safe='/')}")
        return _unauthorized("Sign in at /login, or send the token as `Authorization: Bearer TOKEN`.")

    def _refuse_scraper(self, environ: "WSGIEnvironment") -> Response | None:
        if self.scraper is None:
            reason = "This dashboard serves no metrics. Start it with --metrics-token-file."
            return refusal(HTTPStatus.NOT_FOUND, reason)
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return _unauthorized("Send the token of the metrics as `Authorization: Bearer TOKEN`.")
        return _refuse_token(self.scraper, token, environ)

    def _login(self, environ: "WSGIEnvironment", visitors: Visitors) -> Response:
        if environ["REQUEST_METHOD"] != "POST":
            query = parse_qs(environ.get("QUERY_STRING", ""))
            return _login_form(next_path=local_path(query.get("next", ["/"])[0]))
        form = _read_form(environ)
        next_path = local_path(form.get("next", "/"))
        wait_s = visitors.try_token(form.get("token", "").strip(), address=environ.get("REMOTE_ADDR", ""))
        if wait_s == 0.0:
            cookie = self._cookie(environ, visitors.open_session(), max_age_s=SESSION_S)
            return redirect(next_path, {"Set-Cookie": cookie})
        if wait_s is None:
            return _login_form(next_path=next_path, problem="This token is wrong.", status=HTTPStatus.UNAUTHORIZED)
        return _login_form(
            next_path=next_path,
            problem=f"Too many wrong tokens. Try again in {wait_s:.0f} seconds.",
            status=HTTPStatus.TOO_MANY_REQUESTS,
            headers={"Retry-After": f"{wait_s:.0f}"},
        )

    def _session(self, environ: "WSGIEnvironment") -> str:
        try:
            cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(self.cookie)
        except CookieError:
            return ""
        return cookie.value if cookie else ""

    def _cookie(self, environ: "WSGIEnvironment", value: str, *, max_age_s: int) -> str:
        secure = "; Secure" if environ.get("wsgi.url_scheme") == "https" else ""
        return f"{self.cookie}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}"


def _refuse_token(visitors: Visitors, token: str, environ: "WSGIEnvironment") -> Response | None:
    """Return None for the right token."""
    wait_s = visitors.try_token(token.strip(), address=environ.get("REMOTE_ADDR", ""))
    if wait_s == 0.0:
        return None
    return _too_many(wait_s) if wait_s else _unauthorized("The token is wrong.")


def host_of(header: str) -> str:
    """Return the name in a Host header, in lower case, without port and brackets; empty when it is no such header."""
    found = _HOST.fullmatch(header)
    return (found["bracketed"] or found["name"]).lower().removesuffix(".") if found else ""


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches a server that listens there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def local_path(wanted: str) -> str:
    """Return the path when it stays on this site, otherwise the start page's."""
    stays = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return quote(wanted, safe="/?&=%-._~") if stays and "\\" not in wanted else "/"


def _sent_from_here(environ: "WSGIEnvironment") -> bool:
    """Browsers name the origin of what they send; other programs need not, and hold no cookie to abuse.

    The cookie's SameSite is not enough: another port of this machine is the same site.
    """
    origin, host = environ.get("HTTP_ORIGIN"), environ.get("HTTP_HOST", "")
    return origin is None or origin.lower() in {f"http://{host}".lower(), f"https://{host}".lower()}


def _login_form(
    *,
    next_path: str,
    problem: str | None = None,
    status: HTTPStatus = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
) -> Response:
    page = login_page(next_path=next_path, problem=problem)
    return html_response(page.html, status=status, headers={**(headers or {}), **page.headers})


def _read_form(environ: "WSGIEnvironment") -> dict[str, str]:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or len(length) > len(str(_MAX_FORM_BYTES)) or int(length) > _MAX_FORM_BYTES:
        return {}
    body = environ["wsgi.input"].read(int(length)).decode("ascii", errors="replace")
    return {name: values[0] for name, values in parse_qs(body).items()}


def _unauthorized(reason: str) -> Response:
    return refusal(HTTPStatus.UNAUTHORIZED, reason, {"WWW-Authenticate": 'Bearer realm="tuner"'})


def _too_many(wait_s: float) -> Response:
    return refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"Too many wrong tokens. Try again in {wait_s:.0f} seconds.",
        {"Retry-After": f"{wait_s:.0f}"},
    )
