"""Security headers: what a browser may do with a response of each kind."""

from collections.abc import Collection, Iterable, Mapping

#: Paths of Optuna Dashboard; its code needs `unsafe-eval` for a plot that uses WebGL.
_OPTUNA_PREFIXES = ("/dashboard", "/static/", "/api/", "/csv/", "/favicon.ico", "/incompatible-rdb-schema")
_OPTUNA_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
#: For files of unknown origin: no script, no form, no origin.
_FILE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
#: Files of these types are shown; all others are downloaded as bytes.
_SHOWN_TYPES = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "application/json", "text/csv", "text/plain"}
)

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: browsers would then send forms without the origin that the guard checks.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
#: Headers of the application that are replaced.
_REPLACED = frozenset(
    {"content-security-policy", "access-control-allow-origin", "server", *(name.lower() for name in _ALWAYS)}
)


def page_policy(*, scripts: str, styles: str) -> str:
    """Return the policy of a page that may use these sources of scripts and styles and nothing else."""
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def guard_headers(path: str, headers: Iterable[tuple[str, str]], *, status: str = "") -> list[tuple[str, str]]:
    """Return the headers of a response with the security headers added.

    Args:
        path: The requested path.
        headers: The application's headers. tuner's pages bring a `Content-Security-Policy`; a response without one
            that is not Optuna Dashboard's is treated as a file of unknown origin.
        status: Of the response. The page that says that a path leads nowhere is shown, in a sandbox.
    """
    given = {name.lower(): value for name, value in headers}
    kept = [(name, value) for name, value in headers if name.lower() not in _REPLACED]
    protection: Mapping[str, str]
    if path.startswith(_OPTUNA_PREFIXES):
        protection = {"Content-Security-Policy": _OPTUNA_POLICY}
    elif path.startswith("/artifacts/") or "content-security-policy" not in given:
        kept = [(name, value) for name, value in kept if name.lower() not in {"content-type", "content-disposition"}]
        is_nowhere = status.startswith("404") and not path.startswith("/artifacts/")
        shown = _SHOWN_TYPES | {"text/html"} if is_nowhere else _SHOWN_TYPES
        protection = {"Content-Security-Policy": _FILE_POLICY, **_file_headers(given.get("content-type", ""), shown)}
    else:
        protection = {"Content-Security-Policy": given["content-security-policy"]}
    if "cache-control" not in given:
        # Optuna Dashboard's script of 2 MB may be cached if the browser asks whether it has changed; nothing else may.
        caching = "private, no-cache" if path.startswith("/static/") else "no-store"
        protection = {**protection, "Cache-Control": caching}
    return [*kept, *_ALWAYS.items(), *protection.items()]


def _file_headers(content_type: str, shown: Collection[str]) -> Mapping[str, str]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in shown:
        return {"Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind}
    return {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
