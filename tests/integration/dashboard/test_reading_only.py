"""Opening a database to read: with a role that may do nothing else, and on SQLite."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from support.running_studies import begin_trial, create_study, end_trial

from tuner.studies.database.errors import DatabaseUnusableError
from tuner.studies.database.preparation import StorageNotPreparedError
from tuner.studies.database.storage import Storage, open_storage, open_storage_to_read
from tuner.studies.database.url import StorageUnreachableError
from tuner.studies.fleet import read_fleet, read_live_curves
from tuner.studies.lifecycle import find_study
from tuner.studies.progress import count_failures
from tuner.studies.records.reading import load_study, read_version


def test_a_role_that_may_only_select_reads_everything(storage: Storage, looker_url: str) -> None:
    study = create_study(storage)
    end_trial(storage, begin_trial(storage, study, curve=(0.5, 0.7)), score=0.7)
    end_trial(storage, begin_trial(storage, study), score=None, kind="nan_loss")
    begin_trial(storage, study, curve=(0.3, 0.4))

    with open_storage_to_read(looker_url) as reading:
        assert [trial.state for trial in load_study(reading, "s").trials[:3]] == ["complete", "failed", "running"]
        assert [worker.trial for worker in read_fleet(reading).workers] == [2]
        assert read_live_curves(reading) == {"w1": [(1, 0.3), (2, 0.4)]}
        assert count_failures(reading) == {"s": {"nan_loss": 1}}


def test_the_owner_too_writes_nothing_when_it_opens_to_read(storage: Storage, postgres_url: str) -> None:
    study = create_study(storage)

    with open_storage_to_read(postgres_url) as reading:
        with pytest.raises(DBAPIError, match="read-only"), reading.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM tuner_slots"))
        with pytest.raises(DatabaseUnusableError, match="only be read"):
            reading.optuna.set_study_user_attr(study.optuna_study_id, "a", 1)


def test_an_empty_database_is_left_empty(empty_postgres_url: str) -> None:
    with pytest.raises(StorageNotPreparedError, match="tuner study list"):
        open_storage_to_read(empty_postgres_url)

    assert sa.inspect(sa.create_engine(empty_postgres_url, poolclass=sa.NullPool)).get_table_names() == []


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StorageNotPreparedError, match="no tables"):
        open_storage_to_read(f"sqlite:///{tmp_path / 'deep' / 'tuner.db'}")

    assert list(tmp_path.iterdir()) == []


def test_an_sqlite_file_is_read_beside_its_writer_and_never_written(sqlite_url: str) -> None:
    with open_storage(sqlite_url) as writing, open_storage_to_read(sqlite_url) as reading:
        study = create_study(writing)
        with writing.engine.begin() as connection:
            connection.execute(sa.text("UPDATE tuner_slots SET epoch = 0"))

            assert find_study(reading, "s").budget == 6
        with pytest.raises(DBAPIError, match="readonly"), reading.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM tuner_slots"))
        assert load_study(reading, study.name).budget == 6


def test_a_wrong_password_or_address_is_named() -> None:
    with pytest.raises(StorageUnreachableError, match="refused"):
        open_storage_to_read("postgresql://me:secret@127.0.0.1:1/x")


CHANGES: dict[str, Callable[[Storage], object]] = {
    "a trial begins": lambda storage: begin_trial(storage, find_study(storage, "s"), worker="w2"),
    "an epoch": lambda storage: begin_trial(storage, find_study(storage, "s"), worker="w2", curve=(0.5,)),
    "a result": lambda storage: end_trial(
        storage, begin_trial(storage, find_study(storage, "s"), worker="w2"), score=0.9
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_version_changes_with_the_study_and_not_without(
    storage: Storage, change: Callable[[Storage], object]
) -> None:
    study = create_study(storage)
    begin_trial(storage, study)
    before = [read_version(storage, find_study(storage, "s")) for _ in range(2)]

    change(storage)

    assert before[0] == before[1]
    assert read_version(storage, find_study(storage, "s")) != before[0]


def test_a_study_cannot_be_created_by_a_role_that_only_looks_and_that_is_one_line(looker_url: str) -> None:
    with (
        open_storage(looker_url) as storage,
        pytest.raises(DatabaseUnusableError, match=r"can only be read|may not do"),
    ):
        create_study(storage)
