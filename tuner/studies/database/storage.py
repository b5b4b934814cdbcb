"""The database: one engine for each process, for Optuna's tables and tuner's, on SQLite or Postgres.

`open_storage` brings the tables up to date and returns a `Storage`, whose calls wait for a database that is away for as
long as its `DatabaseConnection` allows. `open_storage_to_read` changes nothing.
"""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import optuna
import sqlalchemy as sa
from sqlalchemy.orm import scoped_session, sessionmaker

from tuner.studies.database.engines import ONLY_READS, Target, refuse_writes, write_exclusively
from tuner.studies.database.errors import DRIVER_ERRORS, DatabaseAwayError, DatabaseUnusableError, words_of
from tuner.studies.database.optuna_tables import OPTUNA_REVISION
from tuner.studies.database.outages import DatabaseConnection, give_up_on_silence
from tuner.studies.database.preparation import (
    StorageNotPreparedError,
    check_schema,
    open_optuna,
    optuna_revision,
    prepare_schema,
)
from tuner.studies.database.retrying_storage import RetryingStorage
from tuner.studies.database.url import StorageUnreachableError, only_reads, parse_url, sqlite_file, without_secrets


class Storage:
    """One open database. Close it, or use it as a context manager.

    Args:
        engine: Connected to the database.
        database: Repeats calls while the database is away.
        open_optuna: Opens Optuna's storage, with an engine of its own.
    """

    def __init__(
        self, engine: sa.Engine, database: DatabaseConnection, open_optuna: Callable[[], optuna.storages.RDBStorage]
    ) -> None:
        #: Whether the database answers, and for how long calls wait until it does.
        self.database = database
        #: For statements on tuner's own tables.
        self.engine = engine
        #: The same engine for transactions that only read: on SQLite neither they nor writers wait for each other.
        self.reader = engine.execution_options(**{ONLY_READS: True})
        self.open_optuna = open_optuna
        #: None until `optuna` is used for the first time.
        self._optuna: RetryingStorage | None = None
        self._optuna_lock = threading.Lock()
        #: Identities of the studies that `meet` was called with.
        self._met: set[str] = set()

    @property
    def optuna(self) -> RetryingStorage:
        """Optuna's storage, with its cache of finished trials.

        It is opened at the first use: that imports Alembic, which takes a quarter of a second.
        """
        with self._optuna_lock:
            if self._optuna is None:
                rdb = self.database.retry(self.open_optuna)
                rdb.engine.dispose()
                # One pool of connections for both.
                rdb.engine = self.engine
                rdb.scoped_session = scoped_session(sessionmaker(bind=self.engine))
                self._rdb = rdb
                self._optuna = RetryingStorage(optuna.storages.get_storage(rdb), self.database)
            return self._optuna

    def close(self) -> None:
        if self._optuna is not None:
            self._optuna.remove_session()
        self.engine.dispose()

    def meet(self, uid: str) -> None:
        """Empty the cache of Optuna's storage when this process meets a study for the first time.

        SQLite gives the ids of a deleted study and its trials to later ones, which the cache could not tell apart.
        """
        if uid not in self._met:
            self._met.add(uid)
            self.forget()

    def forget(self) -> None:
        """Empty the cache of Optuna's storage."""
        with self._optuna_lock:
            if self._optuna is not None:
                self._optuna.inner = optuna.storages.get_storage(self._rdb)

    def ping(self) -> None:
        """Run a statement that reads nothing.

        Raises:
            DatabaseAwayError: The database does not answer.
        """

        def run() -> None:
            with self.reader.connect() as connection:
                connection.execute(sa.text("SELECT 1"))

        self.database.once(run)

    def close_idle_connections(self) -> None:
        """Close idle pooled connections; the next call opens one again.

        Called before each pause of a second or more, so that 100 workers stay below the 100 connections that Postgres
        allows by default: each needs one for a few milliseconds at a time.
        """
        if self.engine.dialect.name != "sqlite":
            # The pool is kept: another thread returns its connection to it, and the next call of this method closes it.
            self.engine.pool.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_storage(url: str, *, patience_s: float = 0.0) -> Storage:
    """Connect, and create or migrate the tables where they are not up to date.

    Args:
        url: An SQLAlchemy URL of SQLite or Postgres.
        patience_s: For how many seconds this and every later call waits for a database that is away. Workers wait;
            commands that a person waits for do not.

    Raises:
        StorageUnreachableError: The URL is wrong, the server is away or refuses, or its tables are newer than this
            version knows.
    """
    target = Target(given=url, url=parse_url(url), reading=False)
    if only_reads(target.url):
        return open_storage_to_read(url)
    target.make_folder()
    storage = _connect(target, DatabaseConnection(patience_s), check=prepare_schema)
    if target.is_sqlite:
        write_exclusively(storage.engine)
    return storage


def open_storage_to_read(url: str) -> Storage:
    """Connect without preparing the tables, and refuse every write; a role that may only SELECT is enough.

    Args:
        url: An SQLAlchemy URL of SQLite or Postgres.

    Raises:
        StorageUnreachableError: The URL is wrong, the server is away or refuses.
        StorageNotPreparedError: The tables are missing or of another version.
    """
    target = Target(given=url, url=parse_url(url), reading=True)
    # SQLite would create a missing file.
    if target.is_sqlite and not sqlite_file(target.url).exists():
        raise StorageNotPreparedError(url, None)
    storage = _connect(target, DatabaseConnection(0.0), check=check_schema)
    if target.is_sqlite:
        refuse_writes(storage.engine)
    return storage


def _connect(target: Target, database: DatabaseConnection, *, check: Callable[[Target], None]) -> Storage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if not target.is_sqlite:
        give_up_on_silence()
    try:
        database.retry(lambda: check(target))
        engine = sa.create_engine(target.url, **target.engine_arguments)
        storage = Storage(engine, database, lambda: open_optuna(target))
        if database.retry(lambda: optuna_revision(engine)) != OPTUNA_REVISION:
            # Optuna knows its other versions, and refuses those that it cannot use.
            _ = storage.optuna
        return storage
    except (DatabaseAwayError, DatabaseUnusableError, *DRIVER_ERRORS, OSError) as error:
        reason = without_secrets(f"{words_of(error)}.", target.given)
    # Not in the handler: the driver's exception may quote the URL, and a traceback would show it.
    raise StorageUnreachableError(target.given, reason)
