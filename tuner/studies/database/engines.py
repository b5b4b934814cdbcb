"""What SQLAlchemy's engines need to know of Postgres and of SQLite."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DisconnectionError

from tuner.studies.database.url import StorageUnreachableError, sqlite_file

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
#: Execution option of transactions that only read.
ONLY_READS = "tuner_only_reads"


def engine_arguments(target: sa.URL, *, reading: bool) -> dict[str, Any]:
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


def make_folder(target: sa.URL, url: str) -> None:
    """Make the folder of an SQLite file, which SQLite does not.

    Raises:
        StorageUnreachableError: It cannot be made, or something else has the file's name.
    """
    if target.get_backend_name() != "sqlite":
        return
    path = sqlite_file(target)
    if path.exists() and not path.is_file():
        raise StorageUnreachableError(url, f"{path} is {'a folder' if path.is_dir() else 'no regular file'}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnreachableError(url, f"its folder cannot be made: {error.strerror}.") from error


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
