"""The database: one engine a process for Optuna's tables and ours, on SQLite or Postgres alike."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import optuna
import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import NullPool

from tuner.errors import TunerError
from tuner.studies.outages import Contact, DatabaseUnusableError, give_up_on_silence
from tuner.studies.outlasting import OutlastingStorage
from tuner.studies.schema import SCHEMA_REVISION
from tuner.studies.single_creation import SingleCreationStorage

#: Any constant does; this one is `tuner` in ASCII.
_SCHEMA_LOCK_KEY = 0x74756E6572

_POSTGRES_ENGINE: dict[str, Any] = {
    "pool_pre_ping": True,
    "pool_size": 2,
    "max_overflow": 2,
    "pool_recycle": 1800,
    "connect_args": {
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        "application_name": "tuner",
        "options": "-c timezone=UTC -c statement_timeout=20s -c lock_timeout=20s "
        "-c idle_in_transaction_session_timeout=60s",
    },
}
#: As above, for whoever only reads: several threads at once, and the server itself refuses their writes.
_POSTGRES_READER: dict[str, Any] = _POSTGRES_ENGINE | {
    "pool_size": 4,
    "max_overflow": 8,
    "connect_args": _POSTGRES_ENGINE["connect_args"]
    | {
        "application_name": "tuner dashboard",
        "options": f"{_POSTGRES_ENGINE['connect_args']['options']} -c default_transaction_read_only=on",
    },
}
#: Seconds that a writer waits for another one; SQLite lets one write at a time.
_SQLITE_ENGINE: dict[str, Any] = {"connect_args": {"timeout": 60}}
#: Execution option of transactions that only read.
_ONLY_READS = "tuner_only_reads"


class StorageUnreachableError(TunerError):
    """The database does not answer, or is not one that tuner can use."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"Cannot use the database {printable_url(url)}: {reason} "
            "Check --storage or TUNER_STORAGE (sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE)."
        )


class StorageNotPreparedError(TunerError):
    """The database lacks tuner's tables, or has those of another version, and was opened to read only."""

    def __init__(self, url: str, revision: str | None) -> None:
        found = "no tables of tuner's" if revision is None else f"tables of revision {revision}"
        super().__init__(
            f"Found {found} in {printable_url(url)}, expected revision {SCHEMA_REVISION}. Type a command that may "
            "write there, such as `tuner study list`: it prepares the tables, or says which tuner they need."
        )


class Storage:
    """One open database. Close it, or use it as a context manager."""

    def __init__(self, rdb: optuna.storages.RDBStorage, contact: Contact) -> None:
        #: Whether the database answers, and for how long calls wait until it does.
        self.contact = contact
        #: Runs the statements on tuner's own tables.
        self.engine = rdb.engine
        #: The same engine for transactions that only read: on SQLite they wait for no writer, and no writer for them.
        self.reader = rdb.engine.execution_options(**{_ONLY_READS: True})
        self._rdb = rdb
        #: Optuna's storage, with its cache of finished trials.
        self.optuna = OutlastingStorage(optuna.storages.get_storage(rdb), contact)
        #: Identities of the studies that this process has met.
        self._met: set[str] = set()

    def close(self) -> None:
        self.optuna.remove_session()
        self.engine.dispose()

    def meet(self, uid: str) -> None:
        """Take note of a study; at a new one the cache of Optuna's storage is emptied.

        SQLite gives the ids of a deleted study and its trials to the next ones; the cache would take them for the same.
        """
        if uid not in self._met:
            self._met.add(uid)
            self.forget()

    def forget(self) -> None:
        """Empty the cache of Optuna's storage."""
        self.optuna.inner = optuna.storages.get_storage(self._rdb)

    def hang_up(self) -> None:
        """Close the connections to a server that nobody uses just now; the next call opens one.

        Whoever falls silent for a second or more does so: a hundred workers then share the hundred connections that
        Postgres allows, of which each needs one for a few milliseconds at a time.
        """
        if self.engine.dialect.name != "sqlite":
            # In place: a connection that another thread uses just now must come back to a pool that is emptied again.
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
        patience_s: For how long this and every later call waits for a database that is away; workers do, commands
            that a person waits for do not.

    Raises:
        StorageUnreachableError: The URL is wrong, the server is away or refuses, or its tables are newer than this
            version knows.
    """
    target = _parse(url)
    _make_folder(target, url)
    engine_kwargs = _SQLITE_ENGINE if target.get_backend_name() == "sqlite" else _POSTGRES_ENGINE
    storage = _connect(
        url, target, engine_kwargs, Contact(patience_s), check=lambda: _prepare_schema(target, engine_kwargs)
    )
    if storage.engine.dialect.name == "sqlite":
        _write_exclusively(storage.engine)
    return storage


def open_storage_to_read(url: str) -> Storage:
    """Connect without preparing anything, and refuse every write: a role that may only SELECT is enough.

    Args:
        url: An SQLAlchemy URL of SQLite or Postgres.

    Raises:
        StorageUnreachableError: The URL is wrong, the server is away or refuses.
        StorageNotPreparedError: The tables are missing or of another version.
    """
    target = _parse(url)
    if target.get_backend_name() != "sqlite":
        return _connect(
            url, target, _POSTGRES_READER, Contact(0.0), check=lambda: _check_schema(url, target, _POSTGRES_READER)
        )
    # SQLite would make an empty file of a missing one.
    if not (target.database and Path(target.database).exists()):
        raise StorageNotPreparedError(url, None)
    storage = _connect(
        url, target, _SQLITE_ENGINE, Contact(0.0), check=lambda: _check_schema(url, target, _SQLITE_ENGINE)
    )
    _refuse_writes(storage.engine)
    return storage


def _connect(
    url: str, target: sa.URL, engine_kwargs: dict[str, Any], contact: Contact, *, check: Callable[[], None]
) -> Storage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if target.get_backend_name() != "sqlite":
        give_up_on_silence()
    try:
        contact.outlast(check)
        rdb = contact.outlast(
            lambda: SingleCreationStorage(_optuna_url(target), engine_kwargs=engine_kwargs, skip_table_creation=True)
        )
    except DBAPIError as error:
        raise StorageUnreachableError(url, _reason(error)) from error
    except DatabaseUnusableError as error:
        raise StorageUnreachableError(url, error.reason) from error
    except OSError as error:
        raise StorageUnreachableError(url, f"{error.strerror or error}.") from error
    return Storage(rdb, contact)


def printable_url(url: str) -> str:
    """Return the URL with its password hidden."""
    try:
        parsed = sa.make_url(url)
        if "password" in parsed.query:
            parsed = parsed.update_query_dict({"password": "***"})
        return parsed.render_as_string(hide_password=True)
    except ArgumentError:
        # A URL that does not parse may still hold a password.
        return f"{url.split('://', maxsplit=1)[0]}://…"


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise StorageUnreachableError(url, "it is no SQLAlchemy URL.") from error
    # Heroku and others still write `postgres`; plain `postgresql` would mean psycopg 3 since SQLAlchemy 2.1.
    if parsed.drivername in {"postgres", "postgresql", "postgresql+psycopg2"}:
        return parsed.set(drivername="postgresql+psycopg2")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise StorageUnreachableError(url, f"it is of kind {parsed.drivername!r}; tuner runs on SQLite and Postgres.")
    return parsed


def _make_folder(target: sa.URL, url: str) -> None:
    if target.get_backend_name() == "sqlite" and target.database:
        try:
            Path(target.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnreachableError(url, f"its folder cannot be made: {error.strerror}.") from error


def _optuna_url(url: sa.URL) -> str:
    # Optuna fills {SCHEMA_VERSION} into its URL, so that braces of a password must be escaped.
    return url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")


def _prepare_schema(url: sa.URL, engine_kwargs: dict[str, Any]) -> None:
    engine = sa.create_engine(url, poolclass=NullPool, connect_args=engine_kwargs["connect_args"])
    if _schema_revision(engine) == SCHEMA_REVISION:
        return
    # Four workers that create the tables at once lose three of them, one time in three.
    with _schema_lock(engine):
        revision = _schema_revision(engine)
        if revision is not None and revision > SCHEMA_REVISION:
            raise StorageUnreachableError(
                str(url), f"its tables are of a newer tuner (revision {revision}); update tuner."
            )
        if revision != SCHEMA_REVISION:
            _create_tables(engine)


def _check_schema(url: str, target: sa.URL, engine_kwargs: dict[str, Any]) -> None:
    engine = sa.create_engine(target, poolclass=NullPool, connect_args=engine_kwargs["connect_args"])
    revision = _schema_revision(engine)
    if revision != SCHEMA_REVISION:
        raise StorageNotPreparedError(url, revision)


def _schema_revision(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("tuner_alembic_version"):
            return None
        revision: str | None = connection.scalar(sa.text("SELECT version_num FROM tuner_alembic_version"))
        return revision


@contextlib.contextmanager
def _schema_lock(engine: sa.Engine) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        with FileLock(f"{engine.url.database}.lock") if engine.url.database else contextlib.nullcontext():
            yield
        return
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": _SCHEMA_LOCK_KEY})
        try:
            yield
        finally:
            connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": _SCHEMA_LOCK_KEY})


def _create_tables(engine: sa.Engine) -> None:
    # Alembic and its templates take 0.2 s to import; a database that is up to date never needs them.
    import alembic.command
    import alembic.config

    optuna.storages.RDBStorage(_optuna_url(engine.url), engine_kwargs={"poolclass": NullPool})
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
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
    # The connections that Optuna opened before these listeners were there.
    engine.dispose()


def _refuse_writes(engine: sa.Engine) -> None:
    """Make SQLite refuse to write through this engine, and its transactions wait for no writer."""

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
    """Open SQLite's file anew when it was removed or replaced: an open connection would go on with what nobody sees."""
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


def _reason(error: DBAPIError) -> str:
    cause = str(error.orig)
    lines = [line.strip() for line in cause.splitlines() if line.strip()]
    return lines[0].rstrip(".") + "." if lines else f"{type(error).__name__}."
