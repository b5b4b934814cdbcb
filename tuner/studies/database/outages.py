"""Outages of the database: each call is repeated until the database answers again, or patience runs out.

`DatabaseConnection.retry` repeats a call, `retried` a function of a storage, and `retrying_storage` Optuna's calls. A
repeated call must be safe to repeat: a COMMIT may have succeeded although its answer was lost. Errors of the drivers
leave this module as `DatabaseAwayError` or `DatabaseUnusableError`, see `errors`.
"""

import functools
import logging
import select
import threading
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import psycopg2
import psycopg2.extensions
import tenacity

from tuner.counters import count
from tuner.studies.database.errors import DatabaseAwayError, translate, words_of

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)

#: Seconds between two attempts: the first, and the longest. Leases are renewed within 5 s of the database's return.
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0
#: An answer that takes longer, in seconds, counts as the end of an outage: other workers may not have renewed their
#: leases meanwhile.
SLOW_S = 1.0
#: Seconds after which a server that keeps the connection open and says nothing counts as gone. Longer than the
#: statement timeout, with which a living server would have answered.
SILENCE_S = 25.0
#: The same, shorter, for a process that was told to end: others wait for it.
_LAST_SILENCE_S = 2.0
_is_ending = threading.Event()
#: Seconds between two checks whether the process was told to end.
_SLICE_S = 0.5


class DatabaseConnection:
    """Whether the database answers, as this process knows it; shared by its threads."""

    def __init__(self, patience_s: float) -> None:
        #: Seconds for which a call is repeated during an outage; may be set to 0 to leave at once.
        self.patience_s = patience_s
        self._lock = threading.Lock()
        self._since: float | None = time.monotonic()

    def __getstate__(self) -> dict[str, float]:
        # Optuna pickles storages for other processes, in which the lock and the state of the connection mean nothing.
        return {"patience_s": self.patience_s}

    def __setstate__(self, state: dict[str, float]) -> None:
        self.__init__(state["patience_s"])  # type: ignore[misc] # starts again, as in a new process

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
            DatabaseAwayError: The database was away for longer than patience allows.
            DatabaseUnusableError: It answers, and a person must fix what it refuses.
        """
        started = time.monotonic()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(DatabaseAwayError),
            wait=tenacity.wait_random_exponential(multiplier=_SHORTEST_WAIT_S, max=_LONGEST_WAIT_S),
            stop=lambda _: time.monotonic() - started >= self.patience_s,
            before_sleep=lambda _: count("database_retries"),
            reraise=True,
        )
        result: T = retrying(self.once, call)
        return result

    def once(self, call: Callable[[], T]) -> T:
        """Return what the call returns, in one attempt.

        Raises:
            DatabaseAwayError: The database is away; what the call writes may be written all the same.
            DatabaseUnusableError: It answers, and a person must fix what it refuses.
        """
        started = time.monotonic()
        try:
            result = call()
        except Exception as error:
            translated = translate(error)
            if translated is None:
                raise
            if isinstance(translated, DatabaseAwayError):
                self._note_loss(error)
            raise translated from error
        self._note_answer(after_s=time.monotonic() - started)
        return result

    def _note_loss(self, error: Exception) -> None:
        with self._lock:
            if self._since is None:
                return
            self._since = None
        count("database_outages")
        # Without patience the command fails at once, and its own message says why.
        level = logging.WARNING if self.patience_s else logging.DEBUG
        _log.log(level, "The database is away (%s).", words_of(error))

    def _note_answer(self, *, after_s: float) -> None:
        with self._lock:
            was_lost = self._since is None
            if was_lost or after_s > SLOW_S:
                self._since = time.monotonic()
        if was_lost:
            _log.info("The database is back.")


class HasDatabase(Protocol):
    """A storage, as `retried` needs it."""

    @property
    def database(self) -> DatabaseConnection: ...


S = TypeVar("S", bound=HasDatabase)


def retried(function: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Repeat a function of a storage during outages, as `DatabaseConnection.retry` does; it must be safe to repeat."""

    @functools.wraps(function)
    def retry(storage: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return storage.database.retry(lambda: function(storage, *args, **kwargs))

    return retry


def give_up_on_silence() -> None:
    """Make every psycopg2 call of this process fail when the server says nothing for `SILENCE_S` seconds.

    A peer that accepts bytes and never answers blocks psycopg2 beyond all keepalives and timeouts of TCP.
    """
    psycopg2.extensions.set_wait_callback(_wait)


def expect_answers_soon() -> None:
    """Give up on a silent server after 2 seconds from now on, also in calls that are already waiting.

    For a process that is about to end: it would wait in vain on a connection that was cut without notice.
    """
    _is_ending.set()


def _wait(connection: Any) -> None:
    heard = time.monotonic()
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        reading = [connection] if state == psycopg2.extensions.POLL_READ else []
        writing = [connection] if state == psycopg2.extensions.POLL_WRITE else []
        # For short times, to notice that the process is told to end.
        if any(select.select(reading, writing, [], _SLICE_S)):
            heard = time.monotonic()
            continue
        silence_s = time.monotonic() - heard
        if silence_s >= (_LAST_SILENCE_S if _is_ending.is_set() else SILENCE_S):
            connection.close()
            # SQLAlchemy recognizes a lost connection by these words.
            raise psycopg2.OperationalError(f"could not receive data from server: no answer in {silence_s:.0f} s")
