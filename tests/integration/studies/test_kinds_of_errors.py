"""What means that the database is away, and is waited for, and what does not, and is said at once."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from tuner.studies.database.errors import DatabaseAwayError, DatabaseUnusableError, translate
from tuner.studies.database.storage import Storage, StorageUnreachableError, open_storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.lifecycle import find_studies, insert_study
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import LeaseLostError, renew_lease

PATIENCE_S = 30.0


@pytest.fixture
def patient(storage_url: str) -> Iterator[Storage]:
    """A storage as a worker's, which waits for a database that is away."""
    with open_storage(storage_url, patience_s=PATIENCE_S) as opened:
        yield opened


def at_once(call: Callable[[], object]) -> None:
    started = time.monotonic()
    call()
    assert time.monotonic() - started < PATIENCE_S / 2


def test_a_missing_table_is_said_at_once(patient: Storage) -> None:
    with patient.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE tuner_workers"))
        connection.execute(sa.text("DROP TABLE tuner_slots"))

    with pytest.raises(DatabaseUnusableError, match="tables are not what they were"):
        at_once(lambda: claim_slot(patient, owner="w"))


def test_a_wrong_statement_or_a_broken_constraint_is_no_outage(patient: Storage) -> None:
    def run(statement: str) -> None:
        with patient.engine.begin() as connection:
            connection.execute(sa.text(statement))

    worker = "INSERT INTO tuner_workers (id, host, device, pid, state, started_at, last_seen_at, slot_id) "
    with pytest.raises((OperationalError, ProgrammingError)) as wrong:
        patient.database.retry(lambda: run("SELEC 1"))
    with pytest.raises(IntegrityError) as broken:
        patient.database.retry(lambda: run(f"{worker} VALUES ('w', 'box', 'cpu', 1, 'training', 0, 0, 4711)"))

    assert translate(wrong.value) is None
    assert translate(broken.value) is None
    assert not patient.database.is_lost


def test_a_server_that_only_reads_is_said_at_once(postgres_url: str, definition: StudyDefinition) -> None:
    url = sa.make_url(postgres_url)
    with open_storage(postgres_url) as storage, storage.engine.connect() as connection:
        insert_study(storage, definition, class_names=["0"], provenance={})
        statement = f'ALTER DATABASE "{url.database}" SET default_transaction_read_only = on'
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text(statement))

    with (
        open_storage(postgres_url, patience_s=PATIENCE_S) as patient,
        pytest.raises(DatabaseUnusableError, match="only be read"),
    ):
        at_once(lambda: claim_slot(patient, owner="w"))


def test_an_sqlite_file_that_is_replaced_while_it_is_open_is_the_one_that_is_used(
    sqlite_url: str, tmp_path: Path, definition: StudyDefinition
) -> None:
    with open_storage(sqlite_url, patience_s=PATIENCE_S) as patient:
        insert_study(patient, definition, class_names=["0"], provenance={})
        lease = claim_slot(patient, owner="w")
        assert lease is not None
        for file in tmp_path.glob("tuner.db*"):
            file.unlink()
        with open_storage(sqlite_url) as again:
            new = insert_study(again, definition, class_names=["0"], provenance={})

        with pytest.raises(LeaseLostError):
            renew_lease(patient, lease, epoch=1)

        assert find_studies(patient, []) == [new]


def test_an_sqlite_file_that_is_removed_while_it_is_open_is_said_at_once(sqlite_url: str, tmp_path: Path) -> None:
    with open_storage(sqlite_url, patience_s=PATIENCE_S) as patient:
        find_studies(patient, [])
        for file in tmp_path.glob("tuner.db*"):
            file.unlink()

        with pytest.raises(DatabaseUnusableError, match="tables are not what they were"):
            at_once(lambda: claim_slot(patient, owner="w"))


def test_a_file_that_is_no_database_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "tuner.db").write_bytes(b"no database at all" * 100)

    with pytest.raises(StorageUnreachableError, match="not a database"):
        at_once(lambda: open_storage(f"sqlite:///{tmp_path / 'tuner.db'}", patience_s=PATIENCE_S))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
        ({"username": "nobody_here"}, 'role "nobody_here" does not exist'),
    ],
)
def test_a_server_that_refuses_entry_is_said_at_once(postgres_url: str, change: dict[str, str], reason: str) -> None:
    url = sa.make_url(postgres_url).set(**change).render_as_string(hide_password=False)

    with pytest.raises(StorageUnreachableError, match=reason):
        at_once(lambda: open_storage(url, patience_s=PATIENCE_S))


def test_a_locked_sqlite_file_is_an_outage(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}", connect_args={"timeout": 0})
    holder = sqlite3.connect(tmp_path / "x.db")
    holder.execute("CREATE TABLE t (a)")
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(OperationalError) as locked, engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO t VALUES (1)"))
    holder.close()
    engine.dispose()

    assert isinstance(translate(locked.value), DatabaseAwayError)


def test_a_folder_that_is_away_is_an_outage(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'gone' / 'x.db'}")

    with pytest.raises(OperationalError) as away:
        engine.connect()

    assert isinstance(translate(away.value), DatabaseAwayError)


def test_a_server_that_is_not_there_or_ends_a_connection_is_an_outage(postgres_url: str) -> None:
    nobody = sa.create_engine(sa.make_url(postgres_url).set(port=1))
    engine = sa.create_engine(postgres_url)
    with pytest.raises(OperationalError) as refused:
        nobody.connect()
    with pytest.raises(OperationalError) as ended, engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
    engine.dispose()

    silence = psycopg2.OperationalError("could not receive data from server: no answer in 25 s")
    for error in (refused.value, ended.value, silence):
        assert isinstance(translate(error), DatabaseAwayError)


def test_an_sqlite_file_that_can_only_be_read_is_no_outage_and_can_be_mended(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "x.db").executescript("CREATE TABLE t (a)").connection.close()
    engine = sa.create_engine(f"sqlite:///file:{tmp_path / 'x.db'}?mode=ro&uri=true")

    with pytest.raises(OperationalError) as refused, engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO t VALUES (1)"))
    engine.dispose()

    translated = translate(refused.value)
    assert isinstance(translated, DatabaseUnusableError)
    assert "Make it writable" in str(translated)
