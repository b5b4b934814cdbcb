import subprocess
import sys
import time
from pathlib import Path

import alembic.config
import alembic.script
import optuna
import pytest
import sqlalchemy as sa
from support.running_studies import create_study

from tuner.studies.database import migrations
from tuner.studies.database.errors import DatabaseUnusableError
from tuner.studies.database.optuna_tables import OPTUNA_REVISION
from tuner.studies.database.schema import SCHEMA_REVISION, database_time, metadata
from tuner.studies.database.storage import Storage, open_storage, open_storage_to_read
from tuner.studies.database.url import StorageUnreachableError


def test_the_schema_constant_is_the_newest_migration() -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))

    assert alembic.script.ScriptDirectory.from_config(config).get_heads() == [SCHEMA_REVISION]


def test_migrated_tables_are_the_declared_ones(storage: Storage) -> None:
    inspector = sa.inspect(storage.engine)

    for table in metadata.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
        assert columns == {column.name: bool(column.nullable) for column in table.columns}
        indexes = {index["name"] for index in inspector.get_indexes(table.name)}
        assert indexes >= {index.name for index in table.indexes}


def test_opening_again_finds_what_is_there(storage_url: str) -> None:
    for _ in range(2):
        with open_storage(storage_url) as storage:
            assert sa.inspect(storage.engine).has_table("tuner_slots")


def test_the_databases_clock_counts_seconds_since_1970(storage: Storage) -> None:
    with storage.engine.connect() as connection:
        now = connection.scalar(sa.select(database_time()))

    assert abs(now - time.time()) < 5


def test_processes_that_start_on_an_empty_database_at_once_all_succeed(empty_sqlite_url: str) -> None:
    # On Postgres workers do, see `test_starting.py`.
    code = "import sys; from tuner.studies.database.storage import open_storage; open_storage(sys.argv[1]).close()"

    processes = [subprocess.Popen([sys.executable, "-c", code, empty_sqlite_url]) for _ in range(3)]

    assert [process.wait(timeout=60) for process in processes] == [0] * 3


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://me:s{ecr}et@127.0.0.1:1/nope", "Connection refused"),
        ("mysql://localhost/x", "runs on SQLite and Postgres"),
        ("nonsense", "no SQLAlchemy URL"),
        ("sqlite:////proc/no/such/place.db", "its folder cannot be made"),
        ("sqlite:////dev/null/place.db", "its folder cannot be made"),
        ("sqlite:////tmp", "is a folder"),
        ("sqlite:////dev/null", "no regular file"),
        (f"sqlite:///{__file__}", "not a database"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_without_the_password(url: str, reason: str) -> None:
    with pytest.raises(StorageUnreachableError, match=reason) as raised:
        open_storage(url)

    assert "s{ecr}et" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_tables_of_a_newer_version_are_left_alone(sqlite_url: str) -> None:
    with open_storage(sqlite_url) as storage, storage.engine.begin() as connection:
        connection.execute(sa.text("UPDATE tuner_alembic_version SET version_num = '9999'"))

    with pytest.raises(StorageUnreachableError, match="newer tuner"):
        open_storage(sqlite_url)


@pytest.mark.parametrize("revision", ["0000", "abc"])
def test_tables_of_an_unknown_revision_are_left_alone(sqlite_url: str, revision: str) -> None:
    with open_storage(sqlite_url) as storage, storage.engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE tuner_alembic_version SET version_num = '{revision}'"))

    with pytest.raises(StorageUnreachableError, match=f"revision {revision}"):
        open_storage(sqlite_url)


@pytest.mark.parametrize("version", ["v2.6.0.a", "unknown"])
def test_optunas_tables_of_another_version_are_one_line_and_get_nothing_added(
    empty_sqlite_url: str, version: str
) -> None:
    optuna.storages.RDBStorage(empty_sqlite_url).engine.dispose()
    engine = sa.create_engine(empty_sqlite_url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{version}'"))
        connection.execute(sa.text("DROP TABLE trial_heartbeats"))

    with pytest.raises(StorageUnreachableError, match="Optuna tables are of another version"):
        open_storage(empty_sqlite_url)

    assert not sa.inspect(engine).has_table("trial_heartbeats")
    assert not sa.inspect(engine).has_table("tuner_studies")
    engine.dispose()


def test_optunas_tables_that_changed_later_are_refused_too(sqlite_url: str) -> None:
    with open_storage(sqlite_url) as storage, storage.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'v2.6.0.a'"))

    with pytest.raises(StorageUnreachableError, match="Optuna tables are of another version"):
        open_storage(sqlite_url)


def test_the_known_revision_is_that_of_the_installed_optuna() -> None:
    rdb = optuna.storages.RDBStorage("sqlite:///:memory:")

    assert rdb.get_head_version() == OPTUNA_REVISION
    rdb.engine.dispose()


def test_a_study_is_shown_without_alembic_whose_import_takes_long(sqlite_url: str) -> None:
    with open_storage(sqlite_url):
        # Creates the tables.
        pass
    code = (
        "import sys; from tuner.studies.database.storage import open_storage\n"
        "from tuner.studies.progress import read_all_progress\n"
        "with open_storage(sys.argv[1]) as storage: print(read_all_progress(storage), 'alembic.command' in sys.modules)"
    )

    shown = subprocess.run([sys.executable, "-c", code, sqlite_url], check=True, capture_output=True, text=True)

    assert shown.stdout.strip() == "[] False"


def test_the_urls_own_session_settings_are_kept_beside_ours(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = sa.create_engine(empty_postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA mine"))
    settings = ("search_path", "statement_timeout", "TimeZone", "application_name")
    in_url = "application_name=me&options=-csearch_path%3Dmine%20-cstatement_timeout%3D7s%20-ctimezone%3DAsia/Tokyo"

    with open_storage(f"{empty_postgres_url}?{in_url}") as storage, storage.engine.connect() as connection:
        found = [connection.scalar(sa.text(f"SHOW {name}")) for name in settings]
    with (
        open_storage_to_read(f"{empty_postgres_url}?{in_url} -cdefault_transaction_read_only=off") as reader,
        pytest.raises(sa.exc.InternalError, match="read-only"),
        reader.engine.begin() as connection,
    ):
        connection.execute(sa.text("DELETE FROM tuner_studies"))
    monkeypatch.setenv("PGOPTIONS", "-csearch_path=mine")
    with open_storage(empty_postgres_url) as storage, storage.engine.connect() as connection:
        by_variable = connection.scalar(sa.text("SHOW search_path"))

    assert found == ["mine", "7s", "UTC", "me"]
    assert by_variable == "mine"
    with engine.connect() as connection:
        schemas = connection.execute(
            sa.text("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename !~ '^(pg|sql)_'")
        )
        assert schemas.scalars().all() == ["mine"]
    engine.dispose()


def test_what_the_driver_says_of_a_connection_keeps_the_password_to_itself(postgres_url: str) -> None:
    url = postgres_url.replace("postgres@", "nobody:s3cret@") + "?sslmode=s3cret&sslpassword=s3cret"

    with pytest.raises(StorageUnreachableError) as raised:
        open_storage(url.replace("sslmode=s3cret&", ""))
    with pytest.raises(StorageUnreachableError, match="invalid") as quoted:
        open_storage(url)

    assert "s3cret" not in str(raised.value)
    assert "s3cret" not in str(quoted.value).partition(": invalid")[2]
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_a_database_that_is_opened_to_read_only_takes_no_study(sqlite_url: str) -> None:
    open_storage(sqlite_url).close()
    path = sqlite_url.removeprefix("sqlite:///")

    with (
        open_storage(f"sqlite:///file:{path}?mode=ro&uri=true") as storage,
        pytest.raises(DatabaseUnusableError, match="readonly"),
    ):
        create_study(storage)
