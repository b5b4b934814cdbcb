import subprocess
import sys
import time
from pathlib import Path

import alembic.config
import alembic.script
import pytest
import sqlalchemy as sa

from tuner.studies import migrations
from tuner.studies.schema import SCHEMA_REVISION, database_time, metadata
from tuner.studies.storage import Storage, StorageUnreachableError, open_storage, printable_url


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


@pytest.mark.parametrize("kind", ["sqlite_url", "empty_postgres_url"])
def test_processes_that_start_on_an_empty_database_at_once_all_succeed(
    kind: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(kind)
    code = "import sys; from tuner.studies.storage import open_storage; open_storage(sys.argv[1]).close()"

    processes = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(4)]

    assert [process.wait(timeout=60) for process in processes] == [0] * 4


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://me:s{ecr}et@127.0.0.1:1/nope", "Connection refused"),
        ("mysql://localhost/x", "runs on SQLite and Postgres"),
        ("nonsense", "no SQLAlchemy URL"),
        ("sqlite:////proc/no/such/place.db", "its folder cannot be made"),
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


@pytest.mark.parametrize("url", ["postgresql://me:secret@host/db", "postgresql://host/db?password=secret"])
def test_a_printed_url_hides_its_password(url: str) -> None:
    assert "secret" not in printable_url(url)
    assert "password" in printable_url(url) or "***" in printable_url(url)
