"""Compression of responses: 10,000 trials are tens of megabytes of JSON, which gzip makes ten times smaller."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_TYPES = ("text/html", "text/csv", "application/json")
#: Smaller responses are not worth compressing.
_SMALLEST_BYTES = 1024
#: The fastest level takes half the time of the default level; its output is a tenth larger.
_LEVEL = 1
#: zlib's number for the gzip format with its largest window.
_GZIP_FORMAT = 31


@dataclass(frozen=True, kw_only=True)
class Compression:
    """WSGI middleware that compresses text for clients that accept gzip."""

    application: "WSGIApplication"

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "gzip" not in environ.get("HTTP_ACCEPT_ENCODING", "") or environ["REQUEST_METHOD"] == "HEAD":
            return self.application(environ, start_response)
        begun: list[Any] = []

        def note(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            begun[:] = [status, headers, exc_info]
            return _refuse_to_write

        body = self.application(environ, note)
        status, headers, exc_info = begun
        given = {name.lower(): value for name, value in headers}
        if not given.get("content-type", "").startswith(_TYPES) or "content-encoding" in given:
            start_response(status, headers, exc_info)
            return body
        headers = [*headers, ("Vary", "Accept-Encoding")]
        if int(given.get("content-length", _SMALLEST_BYTES)) < _SMALLEST_BYTES:
            start_response(status, headers, exc_info)
            return body
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*headers, ("Content-Encoding", "gzip")], exc_info)
        return _compressed(body)


def _compressed(body: Iterable[bytes]) -> Iterator[bytes]:
    """Compress piece by piece: a large response is never in memory as a whole."""
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP_FORMAT)
    try:
        for piece in body:
            yield packer.compress(piece)
        yield packer.flush()
    finally:
        if hasattr(body, "close"):
            body.close()


def _refuse_to_write(_data: bytes) -> None:
    raise RuntimeError("Expected an application that returns its response; received one that calls write().")
