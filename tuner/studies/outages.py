"""What an outage of the database is, and how calls are repeated until it is over.

A call is repeated until the database answers again or patience runs out; whatever is repeated so must be safe to
repeat, for a COMMIT may have succeeded although its answer was lost.
"""

import functools
import logging
import re
import select
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import optuna
import psycopg2
import psycopg2.extensions
import tenacity
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tuner.errors import TunerError

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)

#: All that a failing call to the database raises; `is_outage` tells which of them mean that the database is away.
STORAGE_ERRORS = (DBAPIError, PoolTimeoutError, optuna.exceptions.StorageInternalError)

#: SQLite's results that pass: somebody writes for long, the disk is full or away, its folder cannot be reached.
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
_NO_ENTRY = "it lets this user not in. See the user, password and name in --storage or TUNER_STORAGE"
#: What a person can mend, by SQLite's result or Postgres' SQLSTATE.
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
#: As a server refuses a connection; libpq hands on the words alone.
_REFUSED_ENTRY = re.compile(
    r"password authentication failed|no password supplied|authentication failed for user|no pg_hba\.conf entry"
    r'|(role|database|user) "[^"]*" does not exist|is not permitted to log in'
)


class DatabaseUnusableError(TunerError):
    """The database is there, and cannot be used as it is."""

    def __init__(self, error: BaseException, advice: str) -> None:
        words = words_of(error)
        #: In the driver's words.
        self.reason = f"{words}."
        super().__init__(f"The database cannot be used ({words}): {advice}.")


def words_of(error: BaseException) -> str:
    """Return the first line of what the driver or the system said, without SQLAlchemy's statement and parameters."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


#: Seconds between two attempts: the first, and the longest. Leases are renewed within 5 s of the database's return.
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0
#: An answer that took so many seconds ends a silence, in which others may not have renewed their leases either.
_SLOW_S = 1.0
#: Seconds after which a server that keeps the connection open and says nothing counts as gone. Longer than the
#: statement timeout, with which a living server would have answered.
SILENCE_S = 25.0
#: The same once a process has been told to end, for which others wait.
_LAST_SILENCE_S = 2.0
_is_ending = threading.Event()
#: Seconds between two looks at whether it has.
_SLICE_S = 0.5


class DatabaseConnection:
    """Whether the database answers, as this process knows it; shared by its threads."""

    def __init__(self, patience_s: float) -> None:
        #: Seconds for which a call is repeated during an outage; may be set to 0 to leave at once.
        self.patience_s = patience_s
        self._lock = threading.Lock()
        self._since: float | None = time.monotonic()

    def __getstate__(self) -> dict[str, float]:
        # Optuna hands storages to other processes; a lock and a connection's state are this process' own.
        return {"patience_s": self.patience_s}

    def __setstate__(self, state: dict[str, float]) -> None:
        self.__init__(state["patience_s"])  # type: ignore[misc] # begun anew, as in a new process

    @property
    def is_lost(self) -> bool:
        return self._since is None

    @property
    def uninterrupted_s(self) -> float:
        """For how long every call was answered, in seconds; 0 during an outage."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def retry(self, call: Callable[[], T]) -> T:
        """Return what the call returns, repeating it while the database is away.

        Raises:
            DatabaseUnusableError: It is there, and a person must mend it.
            DBAPIError: It was away for longer than patience allows, or the call was wrong.
        """
        started = time.monotonic()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_outage),
            wait=tenacity.wait_random_exponential(multiplier=_SHORTEST_WAIT_S, max=_LONGEST_WAIT_S),
            stop=lambda _: time.monotonic() - started >= self.patience_s,
            reraise=True,
        )
        result: T = retrying(self._try, call)
        return result

    def _try(self, call: Callable[[], T]) -> T:
        started = time.monotonic()
        try:
            result = call()
        except Exception as error:
            if is_outage(error):
                self._note_loss(error)
            elif (unusable := explain_unusable(error)) is not None:
                raise unusable from error
            raise
        self._note_answer(after_s=time.monotonic() - started)
        return result

    def _note_loss(self, error: Exception) -> None:
        with self._lock:
            if self._since is None:
                return
            self._since = None
        # Without patience the caller says it, in a line of its own.
        level = logging.WARNING if self.patience_s else logging.DEBUG
        _log.log(level, "The database is away (%s).", words_of(error))

    def _note_answer(self, *, after_s: float) -> None:
        with self._lock:
            was_lost = self._since is None
            if was_lost or after_s > _SLOW_S:
                self._since = time.monotonic()
        if was_lost:
            _log.info("The database is back.")


class HasContact(Protocol):
    """A storage, to `retried`."""

    @property
    def database(self) -> DatabaseConnection: ...


S = TypeVar("S", bound=HasContact)


def retried(function: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Make a function of a storage, which must be safe to repeat, repeat itself during outages."""

    @functools.wraps(function)
    def retry(storage: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return storage.database.retry(lambda: function(storage, *args, **kwargs))

    return retry


def is_outage(error: BaseException) -> bool:
    """Say whether the error means that the database was away, and not that the call or the database is wrong."""
    if isinstance(error, optuna.exceptions.StorageInternalError):
        return error.__cause__ is None or is_outage(error.__cause__)
    if isinstance(error, PendingRollbackError | PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        return _sqlite_result(original) in _PASSING_SQLITE
    if isinstance(original, psycopg2.OperationalError):
        return _advice_for(original) is None
    return isinstance(error, OperationalError | InterfaceError)


def explain_unusable(error: BaseException) -> DatabaseUnusableError | None:
    """Return the error of a database that a person must mend, if that is what the error means."""
    if isinstance(error, optuna.exceptions.StorageInternalError):
        return None if error.__cause__ is None else explain_unusable(error.__cause__)
    if not isinstance(error, DBAPIError) or error.orig is None:
        return None
    advice = _advice_for(error.orig)
    return None if advice is None else DatabaseUnusableError(error.orig, advice)


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
    """Return the primary result, without the extension; that of an error of Python's own is 0."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def give_up_on_silence() -> None:
    """Make every psycopg2 call of this process fail when the server says nothing for `SILENCE_S` seconds.

    A peer that accepts bytes and never answers blocks psycopg2 beyond all keepalives and timeouts of TCP.
    """
    psycopg2.extensions.set_wait_callback(_wait)


def expect_answers_soon() -> None:
    """From now on, also in calls that wait already, give up on a silent server after 2 seconds.

    For a process that is about to end: on a connection that was cut without a word it would wait for nothing.
    """
    _is_ending.set()


def _wait(connection: Any) -> None:
    heard = time.monotonic()
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        reading = [connection] if state == psycopg2.extensions.POLL_READ else []
        writing = [connection] if state == psycopg2.extensions.POLL_WRITE else []
        # In slices, to notice that the process is told to end.
        if any(select.select(reading, writing, [], _SLICE_S)):
            heard = time.monotonic()
            continue
        silence_s = time.monotonic() - heard
        if silence_s >= (_LAST_SILENCE_S if _is_ending.is_set() else SILENCE_S):
            connection.close()
            # In words by which SQLAlchemy knows a lost connection.
            raise psycopg2.OperationalError(f"could not receive data from server: no answer in {silence_s:.0f} s")
