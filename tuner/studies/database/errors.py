"""What a failed call to the database means: the errors of its drivers as tuner's own.

`translate` alone knows the error classes of SQLAlchemy, psycopg2, SQLite and Optuna's storage. Other packages catch
`DatabaseAwayError` and `DatabaseUnusableError`; every other error of a driver is a bug and keeps its traceback.
"""

import re
import sqlite3

import optuna
import psycopg2
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tuner.errors import TunerError

#: All that a failed call to the database raises before it is translated.
DRIVER_ERRORS = (DBAPIError, PoolTimeoutError, optuna.exceptions.StorageInternalError)

#: SQLite's results that pass: another process writes for long, the disk is full or away, the folder is unreachable.
_PASSING_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
_MOVED = "its file was moved, removed or replaced while it was open. Start again"
_READ_ONLY = "it can only be read. Make it writable for this user, or give another with --storage"
_NO_TABLES = "tuner's tables are not what they were. Put them back from a backup, or give another with --storage"
_DAMAGED = "its file is damaged, or is none of SQLite's. Put it back from a backup, or give another with --storage"
_NOT_ALLOWED = "this user may not do that there. Grant the rights, or give another with --storage"
_NO_ENTRY = "it does not let this user in. See the user, password and name in --storage or TUNER_STORAGE"
#: What a person can repair, by SQLite's result or Postgres' SQLSTATE.
_MENDABLE: dict[int | str, str] = {
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_PERM: _NOT_ALLOWED,
    "25006": _READ_ONLY,
    "42501": _NOT_ALLOWED,
    "42P01": _NO_TABLES,
    "42703": _NO_TABLES,
    "28000": _NO_ENTRY,
    "28P01": _NO_ENTRY,
    "3D000": _NO_ENTRY,
}
_SQLITE_MOVED = sqlite3.SQLITE_READONLY_DBMOVED
#: How a server refuses a connection: libpq passes on its words without the SQLSTATE.
_REFUSED_ENTRY = re.compile(
    r"password authentication failed|no password supplied|authentication failed for user|no pg_hba\.conf entry"
    r'|(role|database|user) "[^"]*" does not exist|is not permitted to log in'
)


class DatabaseAwayError(TunerError):
    """The database does not answer, or cannot work at present: its disk is full, or another process locks it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            f"The database failed: {words_of(error)}. Nothing is lost: see that it is reachable and has room, then "
            "type the command again. `tuner doctor` tells more."
        )


class DatabaseUnusableError(TunerError):
    """The database answers, and cannot be used as it is: a person must repair it."""

    def __init__(self, error: BaseException, advice: str) -> None:
        super().__init__(f"The database cannot be used ({words_of(error)}): {advice}.")


def translate(error: BaseException) -> DatabaseAwayError | DatabaseUnusableError | None:
    """Return tuner's error for a driver's; None for a wrong call, and for what is no driver's error."""
    if isinstance(error, optuna.exceptions.StorageInternalError):
        return DatabaseAwayError(error) if error.__cause__ is None else translate(error.__cause__)
    if _is_outage(error):
        return DatabaseAwayError(error)
    original = _original(error)
    advice = None if original is None else _advice_for(original)
    return None if original is None or advice is None else DatabaseUnusableError(original, advice)


def words_of(error: BaseException) -> str:
    """Return the first line of what the driver or the system said, without SQLAlchemy's statement and parameters."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, PendingRollbackError | PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    original = _original(error)
    if isinstance(original, sqlite3.Error):
        return _sqlite_result(original) in _PASSING_SQLITE
    if isinstance(original, psycopg2.OperationalError | psycopg2.InterfaceError):
        return _advice_for(original) is None
    return isinstance(error, OperationalError | InterfaceError)


def _original(error: BaseException) -> BaseException | None:
    """Return the driver's error that SQLAlchemy has wrapped, or the error itself."""
    return error.orig if isinstance(error, DBAPIError) else error


def _advice_for(original: BaseException) -> str | None:
    if isinstance(original, sqlite3.Error):
        if getattr(original, "sqlite_errorcode", None) == _SQLITE_MOVED:
            return _MOVED
        lacks = str(original).startswith(("no such table", "no such column"))
        return _NO_TABLES if lacks else _MENDABLE.get(_sqlite_result(original))
    if isinstance(original, psycopg2.Error):
        if original.pgcode is None:
            return _NO_ENTRY if _REFUSED_ENTRY.search(str(original)) else None
        return _MENDABLE.get(original.pgcode)
    return None


def _sqlite_result(error: sqlite3.Error) -> int:
    """Return the primary result code, without its extension; 0 for errors that Python's module raises by itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
