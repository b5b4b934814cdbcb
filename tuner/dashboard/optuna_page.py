"""Optuna Dashboard's page with tuner's script: links back, reasons of refusals, no controls that are refused."""

from functools import cache
from importlib.resources import files

from tuner.dashboard.responses import Response

#: Below a prefix that has Optuna Dashboard's content security policy.
SCRIPT_PATH = "/static/tuner.js"
_PAGE = "/dashboard"
_END_OF_HEAD = "</head>"


def is_optuna_page(path: str) -> bool:
    """Say whether the path is one of Optuna Dashboard's page, which has one document for all of them."""
    return path == _PAGE or path.startswith(f"{_PAGE}/")


def optuna_page(*, allow_writes: bool) -> Response:
    """Return Optuna Dashboard's document with the script in its head, before its own."""
    mode = "" if allow_writes else " data-read-only"
    script = f'<script defer src="{SCRIPT_PATH}"{mode}></script>'
    text = _read("optuna_dashboard", "index.html").replace(_END_OF_HEAD, f"{script}{_END_OF_HEAD}", 1)
    return Response(content_type="text/html; charset=utf-8", body=text.encode())


def optuna_script() -> Response:
    """Return the script."""
    return Response(
        content_type="text/javascript; charset=utf-8", body=_read("tuner.dashboard", "assets/optuna.js").encode()
    )


@cache
def _read(package: str, path: str) -> str:
    return files(package).joinpath(path).read_text(encoding="utf-8")
