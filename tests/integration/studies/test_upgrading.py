"""Databases of tuner 0.1.0 are migrated and go on; what `old_database` restores says how they are."""

from pathlib import Path

import alembic.command
import alembic.config
import pytest
import sqlalchemy as sa
from support.old_database import ARTIFACTS, restore_old_database

from tuner.studies import migrations
from tuner.studies.lifecycle import delete_study, find_studies, find_study, insert_study
from tuner.studies.reading import load_study, read_slots
from tuner.studies.seeds import trial_seed
from tuner.studies.slots import claim_slot
from tuner.studies.storage import Storage, open_storage
from tuner.studies.trials import end_orphans, open_trial


@pytest.fixture
def old_url(tmp_path: Path) -> str:
    return restore_old_database(tmp_path)


def test_studies_of_0_1_0_are_shown_as_they_were_and_keep_their_files(old_url: str) -> None:
    with open_storage(old_url) as storage:
        finished, under_way = find_studies(storage, [])
        record = load_study(storage, "finished")
        middle = load_study(storage, "under-way")

    assert (finished.folder, under_way.folder) == ("finished", "under-way")
    assert len({finished.uid, under_way.uid}) == 2
    assert (record.state, [trial.state for trial in record.trials]) == ("done", ["complete"] * 3)
    assert record.finals[0].bundle is not None
    assert (ARTIFACTS / record.finals[0].bundle).exists()
    assert [trial.state for trial in middle.trials] == ["complete", "complete", "running", "waiting", "waiting"]
    assert [trial.number for trial in middle.trials] == [0, 1, 2, 3, 4]


def test_trials_of_0_1_0_keep_the_seed_of_their_number_and_those_to_come_get_seeds_of_their_own(old_url: str) -> None:
    with open_storage(old_url) as storage:
        under_way = find_study(storage, "under-way")
        rows = read_slots(storage, under_way.id)
        record = load_study(storage, "under-way")

    # The slot with the defaults was trial 1.
    assert [(row.trial_number, row.position, bool(row.job.values)) for row in rows] == [
        (1, 1, True),
        (0, 0, False),
        (2, 2, False),
        (None, 3, False),
        (None, 4, False),
    ]
    assert [trial.seed for trial in record.trials] == [trial_seed(1, number) for number in range(5)]


def test_an_old_study_goes_on_and_can_be_deleted(old_url: str) -> None:
    with open_storage(old_url) as storage:
        under_way = find_study(storage, "under-way")
        lease = claim_slot(storage, owner="w", study_names=["under-way"])
        assert lease is not None
        trial, _ = open_trial(storage, under_way, lease)
        orphans = end_orphans(storage)
        delete_study(storage, under_way)
        left = find_studies(storage, [])

    assert (lease.position, trial.number) == (3, 3)
    assert orphans == 0
    assert [study.name for study in left] == ["finished"]


def test_the_migration_renumbers_slots_on_postgres_too(postgres_url: str) -> None:
    with open_storage(postgres_url) as storage:
        _store_shuffled(storage)
        _downgrade(storage, "0001")

    with open_storage(postgres_url) as storage:
        study = find_study(storage, "s")
        rows = read_slots(storage, study.id)
        trials = storage.optuna.get_all_trials(study.optuna_study_id)

    assert [(row.trial_number, row.position) for row in rows] == [(2, 2), (0, 0), (None, 1), (None, 3)]
    assert [(trial.number, trial.user_attrs["slot"]) for trial in trials] == [(0, 0), (2, 2)]
    assert study.folder == "s"


def _store_shuffled(storage: Storage) -> None:
    """Store a study whose slot 0 is trial 2 and whose slot 1 is trial 0, as revision 0001 did."""
    from tuner.studies.definition import make_definition

    definition = make_definition(space="mlp", dataset="digits", name="s", trials=4, epochs=1)
    study = insert_study(storage, definition, class_names=["0"], provenance={})
    for position, number in ((0, 2), (1, 0)):
        lease = claim_slot(storage, owner="w")
        assert lease is not None
        assert lease.position == position
        trial, _ = open_trial(storage, study, lease)
        with storage.engine.begin() as connection:
            values = {"number": number, "trial": trial._trial_id, "slot": lease.slot_id}
            connection.execute(sa.text("UPDATE trials SET number = :number WHERE trial_id = :trial"), values)
            connection.execute(sa.text("UPDATE tuner_slots SET trial_number = :number WHERE id = :slot"), values)


def _downgrade(storage: Storage, revision: str) -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with storage.engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.downgrade(config, revision)
