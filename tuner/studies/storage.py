"""The database: one engine for each process, for Optuna's tables and tuner's, on SQLite or Postgres.

`open_storage` brings the tables up to date and returns a `Storage`, whose calls wait for a database that is away for as
long as its `DatabaseConnection` allows. `open_storage_to_read` changes nothing.
"""

import contextlib
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import optuna
import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

from tuner.errors import TunerError
from tuner.studies.database_errors import DRIVER_ERRORS, DatabaseAwayError, DatabaseUnusableError, words_of
from tuner.studies.database_url import (
    StorageUnreachableError,
    only_reads,
    parse_url,
    printable_url,
    sqlite_file,
    without_secrets,
)
from tuner.studies.optuna_tables import OPTUNA_REVISION
from tuner.studies.outages import DatabaseConnection, give_up_on_silence
from tuner.studies.retrying_storage import RetryingStorage
from tuner.studies.schema import SCHEMA_REVISION
from tuner.studies.single_creation import SingleCreationStorage

#: Any constant does; this one is `tuner` in ASCII.
_SCHEMA_LOCK_KEY = 0x74756E6572

_POSTGRES_ENGINE: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 2, "max_overflow": 2, "pool_recycle": 1800}
#: The same for processes that only read, in several threads at once.
_POSTGRES_READER: dict[str, Any] = _POSTGRES_ENGINE | {"pool_size": 4, "max_overflow": 8}
#: Parameters for libpq, where the URL does not set them.
_POSTGRES_CONNECTION: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
#: Settings of the session. Options of the URL come between these two: they override the first, not the second.
_SESSION = "-c statement_timeout=20s -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s"
_SESSION_ALWAYS = "-c timezone=UTC"
_SESSION_READING = "-c default_transaction_read_only=on"
#: Seconds that a writer waits for another one: SQLite allows one at a time.
_SQLITE_CONNECTION: dict[str, Any] = {"timeout": 60}
_MIGRATIONS = Path(__file__).with_name("migrations")
#: Execution option of transactions that only read.
_ONLY_READS = "tuner_only_reads"


class StorageNotPreparedError(TunerError):
    """The database lacks tuner's tables, or has those of another version, and was opened only to read it."""

    def __init__(self, url: str, revision: str | None) -> None:
        found = "no tables of tuner's" if revision is None else f"tables of revision {revision}"
        super().__init__(
            f"Found {found} in {printable_url(url)}, expected revision {SCHEMA_REVISION}. Type a command that may "
            "write there, such as `tuner study list`: it prepares the tables, or says which tuner they need."
        )


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
        self.reader = engine.execution_options(**{_ONLY_READS: True})
        self._open_optuna = open_optuna
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
                rdb = self.database.retry(self._open_optuna)
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
    target = parse_url(url)
    if only_reads(target):
        return open_storage_to_read(url)
    _make_folder(target, url)
    engine_kwargs = _engine_arguments(target, reading=False)
    storage = _connect(
        url,
        target,
        engine_kwargs,
        DatabaseConnection(patience_s),
        check=lambda: _prepare_schema(url, target, engine_kwargs),
    )
    if storage.engine.dialect.name == "sqlite":
        _write_exclusively(storage.engine)
    return storage


def open_storage_to_read(url: str) -> Storage:
    """Connect without preparing the tables, and refuse every write; a role that may only SELECT is enough.

    Args:
        url: An SQLAlchemy URL of SQLite or Postgres.

    Raises:
        StorageUnreachableError: The URL is wrong, the server is away or refuses.
        StorageNotPreparedError: The tables are missing or of another version.
    """
    target = parse_url(url)
    is_file = target.get_backend_name() == "sqlite"
    # SQLite would create a missing file.
    if is_file and not sqlite_file(target).exists():
        raise StorageNotPreparedError(url, None)
    engine_kwargs = _engine_arguments(target, reading=True)
    storage = _connect(
        url, target, engine_kwargs, DatabaseConnection(0.0), check=lambda: _check_schema(url, target, engine_kwargs)
    )
    if is_file:
        _refuse_writes(storage.engine)
    return storage


def _engine_arguments(target: sa.URL, *, reading: bool) -> dict[str, Any]:
    """Return SQLAlchemy's arguments for the engine; parameters that the URL sets are left to it."""
    if target.get_backend_name() == "sqlite":
        return {"connect_args": _without_given(_SQLITE_CONNECTION, target)}
    given = target.query.get("options", ())
    # libpq ignores this variable when options are given.
    wanted = [given] if isinstance(given, str) else list(given) or [os.environ.get("PGOPTIONS", "")]
    session = [_SESSION, *wanted, _SESSION_ALWAYS, *([_SESSION_READING] if reading else [])]
    connection = _POSTGRES_CONNECTION | {"application_name": "tuner dashboard" if reading else "tuner"}
    return (_POSTGRES_READER if reading else _POSTGRES_ENGINE) | {
        "connect_args": _without_given(connection, target) | {"options": " ".join(filter(None, session))}
    }


def _without_given(arguments: Mapping[str, Any], target: sa.URL) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key not in target.query}


def _connect(
    url: str, target: sa.URL, engine_kwargs: dict[str, Any], database: DatabaseConnection, *, check: Callable[[], None]
) -> Storage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if target.get_backend_name() != "sqlite":
        give_up_on_silence()
    try:
        database.retry(check)
        engine = sa.create_engine(target, **engine_kwargs)
        storage = Storage(engine, database, lambda: _open_optuna(url, target, engine_kwargs))
        if database.retry(lambda: _optuna_revision(engine)) != OPTUNA_REVISION:
            # Optuna knows its other versions, and refuses those that it cannot use.
            _ = storage.optuna
        return storage
    except (DatabaseAwayError, DatabaseUnusableError, *DRIVER_ERRORS, OSError) as error:
        reason = without_secrets(f"{words_of(error)}.", url)
    # Not in the handler: the driver's exception may quote the URL, and a traceback would show it.
    raise StorageUnreachableError(url, reason)


def _open_optuna(
    url: str, target: sa.URL, engine_kwargs: dict[str, Any], *, create_tables: bool = False
) -> optuna.storages.RDBStorage:
    try:
        return SingleCreationStorage(
            _optuna_url(target), engine_kwargs=engine_kwargs, skip_table_creation=not create_tables
        )
    except (RuntimeError, AssertionError) as error:
        words = str(error).partition(". ")[0] or "they say no version"
        reason = f"its Optuna tables are of another version ({words}). Name a database of tuner's own."
    raise StorageUnreachableError(url, reason)


def _make_folder(target: sa.URL, url: str) -> None:
    if target.get_backend_name() != "sqlite":
        return
    path = sqlite_file(target)
    if path.exists() and not path.is_file():
        raise StorageUnreachableError(url, f"{path} is {'a folder' if path.is_dir() else 'no regular file'}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnreachableError(url, f"its folder cannot be made: {error.strerror}.") from error


def _optuna_url(url: sa.URL) -> str:
    # Optuna fills {SCHEMA_VERSION} into its URL, so that braces of a password must be escaped.
    return url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")


def _prepare_schema(url: str, target: sa.URL, engine_kwargs: dict[str, Any]) -> None:
    engine = sa.create_engine(target, poolclass=NullPool, connect_args=engine_kwargs["connect_args"])
    if _schema_revision(engine) == SCHEMA_REVISION:
        return
    # Without the lock, 3 of 4 workers that created the tables at once died, in 1 of 3 runs.
    with _schema_lock(engine):
        revision = _schema_revision(engine)
        if revision is not None and revision not in _known_revisions():
            newer = revision.isdecimal() and revision > SCHEMA_REVISION
            age = "of a newer tuner" if newer else "of no tuner that this one knows"
            raise StorageUnreachableError(url, f"its tables are {age} (revision {revision}); update tuner.")
        if revision != SCHEMA_REVISION:
            _create_tables(url, engine, engine_kwargs["connect_args"])


def _check_schema(url: str, target: sa.URL, engine_kwargs: dict[str, Any]) -> None:
    engine = sa.create_engine(target, poolclass=NullPool, connect_args=engine_kwargs["connect_args"])
    revision = _schema_revision(engine)
    if revision != SCHEMA_REVISION:
        raise StorageNotPreparedError(url, revision)


def _schema_revision(engine: sa.Engine) -> str | None:
    """Return the revision of tuner's tables; None if there are none."""
    return _read_revision(engine, "tuner_alembic_version")


def _optuna_revision(engine: sa.Engine) -> str | None:
    """Return the revision of Optuna's tables; None if there are none or they are older than revisions."""
    return _read_revision(engine, "alembic_version")


def _read_revision(engine: sa.Engine, table: str) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(table):
            return None
        revision: str | None = connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(table)))
        return revision


@contextlib.contextmanager
def _schema_lock(engine: sa.Engine) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        with FileLock(f"{sqlite_file(engine.url)}.lock"):
            yield
        return
    # The end of the transaction releases it, also behind a pooler that gives each transaction another session.
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK_KEY})
        yield


def _known_revisions() -> set[str]:
    return {path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py")}


def _create_tables(url: str, engine: sa.Engine, connect_args: Mapping[str, Any]) -> None:
    # Alembic and its templates take 0.2 s to import; a database that is up to date never needs them.
    import alembic.command
    import alembic.config

    engine_kwargs = {"poolclass": NullPool, "connect_args": connect_args}
    if sa.inspect(engine).has_table("version_info"):
        # Tables of Optuna are there already: refuse those of another version before anything is added.
        _open_optuna(url, engine.url, engine_kwargs)
    _open_optuna(url, engine.url, engine_kwargs, create_tables=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Alembic's own, about the missing ini file
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


def _write_exclusively(engine: sa.Engine) -> None:
    """Make every SQLite transaction that may write take the write lock when it begins.

    SQLite refuses at once, without waiting, a transaction that has read and then wants to write while another one
    wrote; Optuna's transactions all read first.
    """

    @sa.event.listens_for(engine, "connect")
    def _leave_transactions_to_sqlalchemy(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        only_reads = connection.get_execution_options().get(_ONLY_READS, False)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    _follow_file(engine)
    # Closes the connections that were opened before these listeners existed.
    engine.dispose()


def _refuse_writes(engine: sa.Engine) -> None:
    """Make SQLite refuse writes through this engine; its transactions do not wait for writers."""

    @sa.event.listens_for(engine, "connect")
    def _only_query(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA query_only=ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    _follow_file(engine)
    # As above.
    engine.dispose()


def _follow_file(engine: sa.Engine) -> None:
    """Reconnect when SQLite's file was removed or replaced: an open connection would use the deleted file."""
    file = engine.url.database
    if not file or file == ":memory:":
        return

    @sa.event.listens_for(engine, "connect")
    def _remember(_connection: Any, record: Any) -> None:
        record.info["file"] = _file_identity(file)

    @sa.event.listens_for(engine, "checkout")
    def _compare(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.get("file") != _file_identity(file):
            raise DisconnectionError


def _file_identity(file: str) -> tuple[int, int] | None:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
