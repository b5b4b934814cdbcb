import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.postgres import PostgresServer

from tuner.studies.database.errors import DatabaseUnusableError
from tuner.studies.database.reader_role import NoRolesError, create_reader
from tuner.studies.database.schema import metadata
from tuner.studies.database.storage import open_storage

PASSWORD = "p:w\\'d {} %s"  # noqa: S105 - made up here


@pytest.fixture
def reader_url(postgres_url: str) -> str:
    with open_storage(postgres_url) as storage:
        create_reader(storage, role="reader", password=PASSWORD)
    return postgres_url.replace("postgres@", "reader@")


def test_a_reader_sees_every_table_also_later_ones(postgres_url: str, reader_url: str) -> None:
    owner, reader = sa.create_engine(postgres_url), sa.create_engine(reader_url)
    with owner.begin() as connection:
        connection.execute(sa.text("CREATE TABLE later (x int)"))

    with reader.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        counts = {name: connection.scalar(sa.text(f'SELECT count(*) FROM "{name}"')) for name in names}

    assert set(metadata.tables) | {"trials", "studies", "later"} <= set(counts)
    owner.dispose()
    reader.dispose()


def test_a_user_who_may_not_create_roles_is_told_so(reader_url: str) -> None:
    with (
        open_storage(reader_url) as storage,
        pytest.raises(DatabaseUnusableError, match=r"can only be read|may not do that"),
    ):
        create_reader(storage, role="other", password=PASSWORD)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO tuner_studies SELECT * FROM tuner_studies",
        "UPDATE tuner_studies SET state = 'stopped'",
        "DELETE FROM studies",
        "TRUNCATE trials CASCADE",
        "DROP TABLE trials CASCADE",
        "CREATE TABLE mine (x int)",
    ],
)
@pytest.mark.parametrize("first", ["SELECT 1", "SET default_transaction_read_only = off"])
def test_a_reader_changes_nothing_even_when_it_leaves_read_only_transactions(
    reader_url: str, first: str, statement: str
) -> None:
    engine = sa.create_engine(reader_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(first))

        with pytest.raises(sa.exc.DBAPIError, match=r"read-only transaction|permission denied|must be owner"):
            connection.execute(sa.text(statement))
    engine.dispose()


def test_the_readers_password_is_changed_by_asking_again_and_no_log_has_it(own_postgres_server: PostgresServer) -> None:
    own_postgres_server.execute("ALTER SYSTEM SET log_statement = 'all'")
    own_postgres_server.restart()
    verifiers = []
    with open_storage(own_postgres_server.url("postgres")) as storage:
        for password in (PASSWORD, "secondpassword"):
            create_reader(storage, role="reader", password=password)
            verifiers += own_postgres_server.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'reader'")

    log = own_postgres_server._log.read_text()
    assert verifiers[0] != verifiers[1]
    assert all(verifier[0].startswith("SCRAM-SHA-256$") for verifier in verifiers)
    assert "ALTER ROLE" in log
    assert "secondpassword" not in log


def test_eight_may_prepare_an_empty_database_at_once_and_a_reader_lists_its_studies(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    password_file = tmp_path / "password"
    password_file.write_text(f"{PASSWORD}\n")
    prepare = [sys.executable, "-m", "tuner", "--storage", empty_postgres_url, "database", "prepare"]
    processes = [
        subprocess.Popen(
            [*prepare, "--reader", "reader", "--reader-password-file", password_file],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]

    errors = [process.communicate(timeout=120)[1] for process in processes]

    assert errors == [""] * 8
    as_reader = empty_postgres_url.replace("postgres@", "reader@")
    listed = subprocess.run(
        [sys.executable, "-m", "tuner", "study", "list", "--json", "--storage", as_reader],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(listed.stdout) == []


def test_sqlite_says_that_it_has_no_roles(sqlite_url: str) -> None:
    with open_storage(sqlite_url) as storage, pytest.raises(NoRolesError, match="Postgres"):
        create_reader(storage, role="reader", password=PASSWORD)
