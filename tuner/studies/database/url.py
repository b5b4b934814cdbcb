"""Database URLs: which ones tuner takes, and how to show one without anything secret."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import sqlalchemy as sa
from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn
from sqlalchemy.exc import ArgumentError

from tuner.errors import TunerError, shorten

_SCHEME = re.compile(r"([A-Za-z][\w+.-]*)://")
#: libpq's other form of a connection, as `psql` takes it.
_DSN = re.compile(r"\b(host|hostaddr|port|dbname|user|password|service)\s*=")
#: Plain `postgresql` is for SQLAlchemy 2.1 psycopg 3; Heroku and others still write `postgres`.
_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+psycopg2"})
_SQLITE = frozenset({"sqlite", "sqlite+pysqlite"})
_HIGHEST_PORT = 65_535
#: Characters of a URL that are shown.
_LONGEST = 500
#: Parameters that are shown; all others may hold a secret or lead to one.
_SHOWN_PARAMETERS = frozenset(
    {
        "host", "hostaddr", "port", "dbname", "user", "options", "application_name", "connect_timeout", "sslmode",
        "target_session_attrs", "mode", "uri", "cache", "immutable", "timeout",
    }
)  # fmt: skip
#: Those of SQLite's driver; SQLite's own need `uri=true`.
_SQLITE_PARAMETERS = frozenset(
    {"uri", "timeout", "isolation_level", "detect_types", "check_same_thread", "cached_statements"}
)
_HIDDEN = "***"
_ESCAPES = (
    "In a user name or password write @ as %40, : as %3A, / as %2F, # as %23 and % as %25, "
    "or leave the password to a password file (PGPASSFILE)."
)


class StorageUnreachableError(TunerError):
    """The database does not answer, or is not one that tuner can use."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"Cannot use the database {printable_url(url)}: {reason} "
            "Check --storage or TUNER_STORAGE (sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE)."
        )


def parse_url(url: str) -> sa.URL:
    """Return the parts of a URL that SQLAlchemy can open: of an SQLite file, or of Postgres by psycopg2.

    Raises:
        StorageUnreachableError: It is none, or cannot be understood beyond doubt.
    """
    parsed = _try_to_parse(url)
    if isinstance(parsed, str):
        raise StorageUnreachableError(url, parsed)
    problem = next(_problems(parsed), None)
    if problem is not None:
        raise StorageUnreachableError(url, problem)
    return parsed


def printable_url(url: str) -> str:
    """Return the URL for people and logs: with its password and other secrets hidden, in one line.

    Of a URL that is not understood nothing but its beginning is shown: any other part may belong to a password.
    """
    parsed = _try_to_parse(url)
    if isinstance(parsed, str):
        scheme = _SCHEME.match(url)
        return f"{shorten(scheme[1])}://…" if scheme else "…"
    hidden = {key: _HIDDEN for key in parsed.query if key not in _SHOWN_PARAMETERS}
    shown = parsed.update_query_dict(hidden).render_as_string(hide_password=True).replace("%2A%2A%2A", _HIDDEN)
    shown = shown.replace("%3A", ":") if parsed.get_backend_name() == "sqlite" else shown
    return shown if len(shown) <= _LONGEST else shorten(shown, width=_LONGEST)


def without_secrets(text: str, url: str) -> str:
    """Return a text, such as a driver's, without the URL's secrets, neither as written there nor as decoded."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def sqlite_file(target: sa.URL) -> Path:
    """Return the file of an SQLite URL, also of one in SQLite's own form `file:…`."""
    database = target.database or ""
    return Path(unquote(database.removeprefix("file:").removeprefix("//"))) if is_uri(target) else Path(database)


def is_uri(target: sa.URL) -> bool:
    """Say whether an SQLite URL names its file in SQLite's own form `file:…`."""
    return str(target.query.get("uri", "")).lower() in {"true", "1", "yes", "on", "y", "t"}


def only_reads(target: sa.URL) -> bool:
    """Say whether an SQLite URL asks for a database that cannot be written."""
    return is_uri(target) and (target.query.get("mode") == "ro" or target.query.get("immutable") == "1")


def _try_to_parse(url: str) -> sa.URL | str:
    """Return the parts with tuner's driver, or why there are none, in words that hold no part of the URL."""
    if any(ord(character) < ord(" ") or character == "\x7f" for character in unquote(url)):
        return "it holds a line break or another control character."
    scheme = _SCHEME.match(url)
    if scheme is None:
        return "it is libpq's form `host=… dbname=…`, not a URL." if _DSN.search(url) else "it is no SQLAlchemy URL."
    driver = scheme[1].lower()
    if driver in _SQLITE:
        return _parse_sqlite(f"{driver}{url[scheme.end(1) :]}")
    if driver in _POSTGRES:
        return _parse_postgres(f"postgresql+psycopg2{url[scheme.end(1) :]}")
    if driver.startswith("postgresql+"):
        return (
            f"its driver {shorten(driver.partition('+')[2])!r} is not tuner's, which is psycopg2: write postgresql://…."
        )
    return f"it is of kind {shorten(driver)!r}; tuner runs on SQLite and Postgres."


def _parse_sqlite(url: str) -> sa.URL | str:
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        return "expected three slashes and a file, as in sqlite:///FILE."
    if parsed.username or parsed.password or parsed.host or parsed.port:
        return "expected three slashes and a file, as in sqlite:///FILE."
    if (parsed.database or "").startswith("~"):
        return "a path that begins with ~ is of a folder of that name here. Write the home folder, as in sqlite:////home/…."
    return parsed


def _parse_postgres(url: str) -> sa.URL | str:
    if url.count("@") > 1:
        return f"it holds @ more than once. {_ESCAPES}"
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        return f"its port is no number. {_ESCAPES}"
    if parsed.port is not None and not 0 < parsed.port <= _HIGHEST_PORT:
        return f"its port is none, expected a number from 1 to {_HIGHEST_PORT}. {_ESCAPES}"
    try:
        url.encode()
    except UnicodeEncodeError:
        return f"it holds bytes that are no UTF-8. {_ESCAPES}"
    return parsed


def _problems(target: sa.URL) -> Iterator[str]:
    """Say why a URL that is one cannot be used."""
    repeated = sorted(key for key, value in target.query.items() if not isinstance(value, str))
    if target.get_backend_name() == "sqlite":
        database = target.database or ":memory:"
        if ":memory:" in database or target.query.get("mode") == "memory":
            yield "it is in memory, where each process would have a database of its own. Name a file: sqlite:///FILE."
        if not is_uri(target) and (database.startswith("file:") or set(target.query) - _SQLITE_PARAMETERS):
            yield "SQLite's own form is sqlite:///file:PATH?mode=ro&uri=true."
    else:
        # One server of several is a host or port each; settings of the session add up.
        repeated = [key for key in repeated if key not in {"host", "port", "options"}]
        if not all(_is_known_to_libpq(key) for key in target.query):
            yield "it has a parameter after ? that libpq does not know."
    if repeated:
        yield "it has a parameter after ? more than once."
    try:
        target.get_dialect()().create_connect_args(target)
    except (ArgumentError, ValueError, TypeError):
        yield "it has a parameter after ? whose value is of another kind than expected."


def _is_known_to_libpq(parameter: str) -> bool:
    try:
        make_dsn(**{parameter: "x"})
    except (ProgrammingError, TypeError):
        return False
    return True


def _secrets(url: str) -> set[str]:
    found: set[str] = set()
    parsed = _try_to_parse(url)
    if isinstance(parsed, str):
        return found
    if parsed.password:
        found.add(str(parsed.password))
        found.add(url.partition("://")[2].partition("@")[0].partition(":")[2])
    for key, value in parsed.query.items():
        if key not in _SHOWN_PARAMETERS:
            found.update([value] if isinstance(value, str) else value)
    return found - {""}
