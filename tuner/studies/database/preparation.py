"""Bring the tables of a database up to date, or refuse those of another version: tuner's and Optuna's."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from filelock import FileLock

from tuner.errors import TunerError
from tuner.studies.database.engines import Target
from tuner.studies.database.schema import SCHEMA_REVISION
from tuner.studies.database.single_creation import SingleCreationStorage
from tuner.studies.database.url import (
    StorageUnreachableError,
    printable_url,
    sqlite_file,
)

#: Any constant does; this one is `tuner` in ASCII.
_SCHEMA_LOCK_KEY = 0x74756E6572
_MIGRATIONS = Path(__file__).with_name("migrations")


class StorageNotPreparedError(TunerError):
    """The database lacks tuner's tables, or has those of another version, and was opened only to read it."""

    def __init__(self, url: str, revision: str | None) -> None:
        found = "no tables of tuner's" if revision is None else f"tables of revision {revision}"
        super().__init__(
            f"Found {found} in {printable_url(url)}, expected revision {SCHEMA_REVISION}. Type a command that may "
            "write there, such as `tuner study list`: it prepares the tables, or says which tuner they need."
        )


def open_optuna(target: Target) -> optuna.storages.RDBStorage:
    """Open Optuna's storage, whose tables must be there.

    Raises:
        StorageUnreachableError: They are of another version.
    """
    return _open_optuna(target, target.engine_arguments)


def _open_optuna(
    target: Target, engine_arguments: dict[str, Any], *, create_tables: bool = False
) -> optuna.storages.RDBStorage:
    try:
        return SingleCreationStorage(
            _optuna_url(target.url), engine_kwargs=engine_arguments, skip_table_creation=not create_tables
        )
    except (RuntimeError, AssertionError) as error:
        words = str(error).partition(". ")[0] or "they say no version"
        reason = f"its Optuna tables are of another version ({words}). Name a database of tuner's own."
    raise StorageUnreachableError(target.given, reason)


def _optuna_url(url: sa.URL) -> str:
    # Optuna fills {SCHEMA_VERSION} into its URL, so that braces of a password must be escaped.
    return url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")


def prepare_schema(target: Target) -> None:
    """Create or migrate tuner's tables where they are not up to date.

    Raises:
        StorageUnreachableError: They are newer than this version knows.
    """
    engine = sa.create_engine(target.url, **target.unpooled_arguments)
    if _schema_revision(engine) == SCHEMA_REVISION:
        return
    # Without the lock, 3 of 4 workers that created the tables at once died, in 1 of 3 runs.
    with _schema_lock(engine):
        revision = _schema_revision(engine)
        if revision is not None and revision not in _known_revisions():
            newer = revision.isdecimal() and revision > SCHEMA_REVISION
            age = "of a newer tuner" if newer else "of no tuner that this one knows"
            raise StorageUnreachableError(target.given, f"its tables are {age} (revision {revision}); update tuner.")
        if revision != SCHEMA_REVISION:
            _create_tables(target, engine)


def check_schema(target: Target) -> None:
    """Raise `StorageNotPreparedError` unless tuner's tables are up to date."""
    engine = sa.create_engine(target.url, **target.unpooled_arguments)
    revision = _schema_revision(engine)
    if revision != SCHEMA_REVISION:
        raise StorageNotPreparedError(target.given, revision)


def _schema_revision(engine: sa.Engine) -> str | None:
    """Return the revision of tuner's tables; None if there are none."""
    return _read_revision(engine, "tuner_alembic_version")


def optuna_revision(engine: sa.Engine) -> str | None:
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


def _create_tables(target: Target, engine: sa.Engine) -> None:
    # Alembic and its templates take 0.2 s to import; a database that is up to date never needs them.
    import alembic.command
    import alembic.config

    if sa.inspect(engine).has_table("version_info"):
        # Tables of Optuna are there already: refuse those of another version before anything is added.
        _open_optuna(target, target.unpooled_arguments)
    _open_optuna(target, target.unpooled_arguments, create_tables=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Alembic's own, about the missing ini file
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
