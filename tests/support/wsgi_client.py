"""Requests to a WSGI application, checked against the protocol on their way in and out."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    application: Any, path: str = "/", method: str = "GET", *, form: dict[str, str] | None = None, **headers: str
) -> Answer:
    """Send one request; `Host` is the loopback's unless it is given."""
    body = urlencode(form or {}).encode()
    pure_path, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": pure_path,
        "QUERY_STRING": query,
        "REMOTE_ADDR": "192.0.2.7",
        "HTTP_HOST": "127.0.0.1:8080",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
    }
    setup_testing_defaults(environ)
    for name, value in headers.items():
        key = name.upper()
        environ[key if key == "REMOTE_ADDR" else f"HTTP_{key}"] = value
    begun: list[Any] = []

    def start_response(status: str, sent: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        assert exc_info is None
        begun[:] = [status, sent]
        return lambda _data: None

    chunks: Iterable[bytes] = validator(application)(environ, start_response)
    content = b"".join(chunks)
    chunks.close()  # type: ignore[attr-defined]
    return Answer(int(begun[0].split()[0]), {name.lower(): value for name, value in begun[1]}, content)
