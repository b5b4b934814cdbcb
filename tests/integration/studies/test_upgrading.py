"""Databases of tuner 0.1.0 are migrated and go on; what `old_database` restores says how they are."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import alembic.command
import alembic.config
import pytest
import sqlalchemy as sa
from support.old_database import ARTIFACTS, restore_old_database

from tuner.epochs import Epoch
from tuner.studies.database import migrations
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.lifecycle import Study, delete_study, find_studies, find_study, insert_study
from tuner.studies.progress import StudyProgress, read_all_progress
from tuner.studies.records.reading import load_study, read_slots
from tuner.studies.seeds import trial_seed
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot
from tuner.studies.slots.outcomes import SearchOutcome
from tuner.studies.slots.stored_outcomes import curve_to_json
from tuner.studies.trials import end_orphans, open_trial

#: What came of the slot of trial 2 in `_store_shuffled`; its numbers are whole, large and small.
ENDED = SearchOutcome(
    state="complete",
    score=0.5,
    best_epoch=1,
    hyperparameters={"rate": 1e16, "units": 10**16, "half": 0.5},
    curve=(Epoch(epoch=1, loss=1e-300, accuracy=1.0, val_loss=None, val_accuracy=0.5),),
)


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


def test_outcomes_of_0_1_0_have_their_curves_and_are_counted_as_they_were(old_url: str) -> None:
    with closing(sqlite3.connect(old_url.removeprefix("sqlite:///"))) as old:
        stored = old.execute("SELECT id, outcome FROM tuner_slots WHERE outcome IS NOT NULL").fetchall()
    before = {slot_id: json.loads(outcome) for slot_id, outcome in stored}

    with open_storage(old_url) as storage:
        slots = [slot for study in find_studies(storage, []) for slot in read_slots(storage, study.id)]
        progress = dict(zip(("finished", "under-way"), map(_count, read_all_progress(storage)), strict=True))

    after = {slot.id: slot.outcome for slot in slots if slot.outcome}
    assert set(after) == set(before) == {1, 2, 3, 4, 5, 9, 10, 11}
    for slot_id, outcome in after.items():
        # The scores of other objectives and the images of an epoch have places of their own since.
        curve = [{**epoch, "score": None, "images": None, "others": None} for epoch in before[slot_id].get("curve", [])]
        assert (curve_to_json(outcome) or []) == curve
        assert outcome.state == before[slot_id]["state"]
    # State, complete trials, best score, finals.
    assert progress == {
        "finished": ("done", 3, 0.1875, 3),
        "under-way": ("searching", 2, 0.2013888955116272, 0),
    }


def _count(found: tuple[Study, StudyProgress]) -> tuple[str, int, float | None, int]:
    progress = found[1]
    return progress.state, progress.complete, progress.best_score, progress.finals_done


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
    assert [row.outcome for row in rows] == [ENDED, None, None, None]
    assert [(trial.number, trial.user_attrs["slot"]) for trial in trials] == [(0, 0), (2, 2)]
    assert study.folder == "s"


def _store_shuffled(storage: Storage) -> None:
    """Store a study whose slot 0 is trial 2 and whose slot 1 is trial 0, as revision 0001 did."""
    from tuner.studies.definitions.making import make_definition

    definition = make_definition(space="mlp", dataset="digits", name="s", trials=4, epochs=1)
    study = insert_study(storage, definition, class_names=["0"], provenance={})
    leases = []
    for position, number in ((0, 2), (1, 0)):
        lease = claim_slot(storage, owner="w")
        assert lease is not None
        assert lease.position == position
        leases.append(lease)
        trial, _ = open_trial(storage, study, lease)
        with storage.engine.begin() as connection:
            values = {"number": number, "trial": trial._trial_id, "slot": lease.slot_id}
            connection.execute(sa.text("UPDATE trials SET number = :number WHERE trial_id = :trial"), values)
            connection.execute(sa.text("UPDATE tuner_slots SET trial_number = :number WHERE id = :slot"), values)
    end_slot(storage, leases[0], ENDED)


def _downgrade(storage: Storage, revision: str) -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with storage.engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.downgrade(config, revision)
