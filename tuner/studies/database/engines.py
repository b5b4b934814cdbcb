"""What SQLAlchemy's engines need to know of Postgres and of SQLite."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import NullPool

from tuner.studies.database.url import StorageUnreachableError, sqlite_file

#: Of the pool of connections of a process that writes.
_POOL: Mapping[str, int] = {"pool_size": 2, "max_overflow": 2}
#: The same for processes that only read, in several threads at once.
_POOL_OF_READER: Mapping[str, int] = {"pool_size": 4, "max_overflow": 8}
#: Parameters for libpq, where the URL does not set them.
_POSTGRES_CONNECTION: Mapping[str, int] = {
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
_SQLITE_CONNECTION: Mapping[str, int] = {"timeout": 60}
#: Execution option of transactions that only read.
ONLY_READS = "tuner_only_reads"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A database to connect to."""

    #: As a person gave it, for errors; it may hold a password.
    given: str = field(repr=False)
    url: sa.URL
    #: Whether nothing is to be written there.
    reading: bool

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite; else it is a Postgres database."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def connection_arguments(self) -> dict[str, str | int]:
        """What its driver is told of each connection; parameters that the URL sets are left to it."""
        if self.is_sqlite:
            return self._without_given(_SQLITE_CONNECTION)
        given = self.url.query.get("options", ())
        # libpq ignores this variable when options are given.
        wanted = [given] if isinstance(given, str) else list(given) or [os.environ.get("PGOPTIONS", "")]
        session = [_SESSION, *wanted, _SESSION_ALWAYS, *([_SESSION_READING] if self.reading else [])]
        name = "tuner dashboard" if self.reading else "tuner"
        connection = self._without_given({**_POSTGRES_CONNECTION, "application_name": name})
        return connection | {"options": " ".join(filter(None, session))}

    @property
    def engine_arguments(self) -> dict[str, Any]:
        """SQLAlchemy's arguments for its engine."""
        arguments: dict[str, Any] = {"connect_args": self.connection_arguments}
        if self.is_sqlite:
            return arguments
        pool = _POOL_OF_READER if self.reading else _POOL
        return {"pool_pre_ping": True, "pool_recycle": 1800, **pool, **arguments}

    @property
    def unpooled_arguments(self) -> dict[str, Any]:
        """The same for an engine that keeps no connection."""
        return {"poolclass": NullPool, "connect_args": self.connection_arguments}

    def make_folder(self) -> None:
        """Make the folder of an SQLite file, which SQLite does not.

        Raises:
            StorageUnreachableError: It cannot be made, or something else has the file's name.
        """
        if not self.is_sqlite:
            return
        path = sqlite_file(self.url)
        if path.exists() and not path.is_file():
            raise StorageUnreachableError(
                self.given, f"{path} is {'a folder' if path.is_dir() else 'no regular file'}."
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnreachableError(self.given, f"its folder cannot be made: {error.strerror}.") from error

    def _without_given(self, arguments: Mapping[str, str | int]) -> dict[str, str | int]:
        return {key: value for key, value in arguments.items() if key not in self.url.query}


def write_exclusively(engine: sa.Engine) -> None:
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
        only_reads = connection.get_execution_options().get(ONLY_READS, False)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    _follow_file(engine)
    # Closes the connections that were opened before these listeners existed.
    engine.dispose()


def refuse_writes(engine: sa.Engine) -> None:
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
