"""What ends the work on a slot without an outcome, and what is a failure of its trial."""

import sqlite3
from pathlib import Path

import optuna
import pytest

from tuner.jobs.interruptions import is_interruption
from tuner.spaces.builder_errors import guarded
from tuner.studies.database.storage import open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import insert_study


def test_an_outage_while_a_builder_draws_its_values_is_no_failure_of_the_builder(tmp_path: Path) -> None:
    folder = tmp_path / "database"
    folder.mkdir()
    with open_storage(f"sqlite:///{folder / 'tuner.db'}") as storage:
        definition = make_definition(space="mlp", dataset="digits", name="s", trials=1)
        insert_study(storage, definition, class_names=["0", "1"], provenance={"data_sha256": "0" * 64})
        sampler = optuna.samplers.RandomSampler(seed=0)
        trial = optuna.load_study(study_name="s", storage=storage.optuna, sampler=sampler).ask()
        build = guarded("own:net", lambda: trial.suggest_float("rate", 0.0, 1.0))
        folder.rename(tmp_path / "elsewhere")

        with pytest.raises(Exception, match="unable to open database file") as error:
            build()

    assert is_interruption(error.value)


def test_a_persons_own_database_that_is_locked_is_a_failure_of_the_trial(tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "own.db")
    holder.execute("CREATE TABLE t (a)")
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(sqlite3.OperationalError, match="locked") as error:
        sqlite3.connect(tmp_path / "own.db", timeout=0).execute("INSERT INTO t VALUES (1)")
    holder.close()

    assert not is_interruption(error.value)
