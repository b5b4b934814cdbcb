"""HTTP responses of tuner's own pages, as values."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    Application = WSGIApplication
    Environment = WSGIEnvironment


@dataclass(frozen=True, kw_only=True)
class Response:
    """One HTTP response."""

    status: HTTPStatus = HTTPStatus.OK
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def send(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Respond to a WSGI request; a HEAD request gets the headers only."""
        start_response(
            f"{self.status.value} {self.status.phrase}",
            [("Content-Type", self.content_type), ("Content-Length", str(len(self.body))), *self.headers],
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [self.body]


def html_response(
    page: str, *, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response that holds a page."""
    return Response(
        status=status,
        content_type="text/html; charset=utf-8",
        # Names from a database may hold characters that UTF-8 cannot encode.
        body=page.encode("utf-8", errors="replace"),
        headers=tuple((headers or {}).items()),
    )


def json_response(
    value: Any, *, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response that holds JSON."""
    body = json.dumps(value, allow_nan=False).encode() + b"\n"
    return Response(status=status, content_type="application/json", body=body, headers=tuple((headers or {}).items()))


def refusal(status: HTTPStatus, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    """Refuse with a reason in JSON, in the form that Optuna Dashboard's page reads."""
    return json_response({"reason": reason}, status=status, headers=headers)


def redirect(path: str, headers: Mapping[str, str] | None = None) -> Response:
    """Send the visitor to another page of this site."""
    return Response(
        status=HTTPStatus.SEE_OTHER,
        content_type="text/plain",
        body=b"",
        headers=(("Location", path), *(headers or {}).items()),
    )
