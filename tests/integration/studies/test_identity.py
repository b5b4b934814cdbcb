"""A study that is deleted and made again has the old one's name, and on SQLite its ids; nothing else of it."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.fleet import read_workers, register_worker, update_worker
from tuner.studies.lifecycle import Study, delete_study, find_study, insert_study, stop_study
from tuner.studies.records.reading import load_study, read_slots
from tuner.studies.seeds import trial_seed
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, LeaseLostError, bind_trial, end_slot, is_over, release_slot, renew_lease
from tuner.studies.slots.outcomes import SearchJob, SearchOutcome
from tuner.studies.trials import close_ended_trials, open_trial

OUTCOME = SearchOutcome(state="complete", score=0.5, best_epoch=1)


def make_again(storage: Storage, study: Study) -> Study:
    delete_study(storage, study)
    return insert_study(storage, study.definition, class_names=["0", "1"], provenance={"data_sha256": "0" * 64})


def claim(storage: Storage, owner: str) -> Lease:
    lease = claim_slot(storage, owner=owner)
    assert lease is not None
    return lease


def test_a_study_made_again_has_an_identity_and_a_folder_of_its_own(storage: Storage, study: Study) -> None:
    again = make_again(storage, study)

    assert again.uid != study.uid
    assert again.folder != study.folder
    assert again.folder.startswith("s-")
    assert again.folder == f"s-{again.uid[:8]}"


WRITES: dict[str, Callable[[Storage, Lease], object]] = {
    "renewal": lambda storage, lease: renew_lease(
        storage, lease, epoch=3, trial_id=lease.trial_id or 1, scores={3: 1.0}
    ),
    "outcome": lambda storage, lease: end_slot(storage, lease, OUTCOME),
    "trial": lambda storage, lease: bind_trial(storage, lease, trial_id=1, trial_number=77),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_lease_of_a_deleted_study_writes_nothing_to_the_one_that_has_its_ids(
    storage: Storage, study: Study, write: str
) -> None:
    late = claim(storage, "a")
    again = make_again(storage, study)
    claim(storage, "b")
    before = read_slots(storage, again.id)

    with pytest.raises(LeaseLostError):
        WRITES[write](storage, late)
    release_slot(storage, late)

    assert read_slots(storage, again.id) == before
    assert is_over(storage, late)


def test_a_trial_of_a_deleted_study_draws_and_tells_nothing_to_the_one_that_has_its_ids(
    storage: Storage, study: Study
) -> None:
    trial, _ = open_trial(storage, study, claim(storage, "a"))
    again = make_again(storage, study)
    open_trial(storage, again, claim(storage, "b"))

    with pytest.raises(LeaseLostError):
        trial.suggest_float("x", 0, 1)
    with pytest.raises(LeaseLostError):
        trial.set_user_attr("note", "late")

    (stored,) = storage.optuna.get_all_trials(again.optuna_study_id)
    assert stored.params == {}
    assert "note" not in stored.user_attrs


@pytest.mark.parametrize("name", ["get_study_directions", "get_study_user_attrs", "get_study_system_attrs"])
def test_what_optuna_reads_of_a_deleted_study_for_a_trial_tells_of_the_lost_lease(
    storage: Storage, study: Study, name: str
) -> None:
    trial, _ = open_trial(storage, study, claim(storage, "a"))
    delete_study(storage, study)
    # Its cache is empty, as in a process that has just claimed the slot.
    trial.storage.inner = storage.optuna.inner

    with pytest.raises(LeaseLostError):
        getattr(trial.storage, name)(study.optuna_study_id)


def test_a_slot_of_a_deleted_study_begins_no_trial_in_the_one_that_has_its_ids(storage: Storage, study: Study) -> None:
    late = claim(storage, "a")
    again = make_again(storage, study)

    with pytest.raises(LeaseLostError):
        open_trial(storage, study, late)

    assert storage.optuna.get_all_trials(again.optuna_study_id) == []


def test_what_a_process_remembers_of_a_deleted_studys_trials_is_not_taken_for_the_new_ones(
    storage: Storage, study: Study
) -> None:
    lease = claim(storage, "a")
    trial, _ = open_trial(storage, study, lease)
    trial.suggest_float("x", 0, 1)
    end_slot(storage, lease, OUTCOME)
    close_ended_trials(storage)
    storage.optuna.get_all_trials(study.optuna_study_id)

    again = make_again(storage, study)
    opened, _ = open_trial(storage, again, claim(storage, "a"))
    # Another range than before, which Optuna refuses within one study.
    opened.suggest_categorical("x", ["a", "b"])

    (stored,) = storage.optuna.get_all_trials(again.optuna_study_id)
    assert stored.params["x"] in {"a", "b"}
    assert [record.state for record in load_study(storage, "s").trials] == ["running"] + ["waiting"] * 5


def test_deleting_or_stopping_a_study_that_is_gone_leaves_the_one_of_its_name_alone(
    storage: Storage, study: Study
) -> None:
    again = make_again(storage, study)

    delete_study(storage, study)
    stop_study(storage, study)

    assert find_study(storage, "s") == again


def test_a_worker_whose_slot_was_deleted_with_its_study_is_still_known(storage: Storage, study: Study) -> None:
    register_worker(storage, worker_id="a", host="box", device="cpu", pid=1)
    late = claim(storage, "a")
    delete_study(storage, study)

    update_worker(storage, "a", state="training", slot_id=late.slot_id)

    (worker,) = read_workers(storage)
    assert (worker.state, worker.study) == ("training", None)


def test_a_worker_without_its_lease_stores_no_hyperparameter_value_or_note(storage: Storage, study: Study) -> None:
    lease = claim(storage, "a")
    late, _ = open_trial(storage, study, lease)
    release_slot(storage, lease)
    successor, _ = open_trial(storage, study, claim(storage, "b"))

    with pytest.raises(LeaseLostError):
        late.suggest_float("learning_rate", 7, 8)
    with pytest.raises(LeaseLostError):
        late.set_constraint("out_of_memory", 1.0)
    with pytest.raises(LeaseLostError):
        late.report(0.9, 1)
    drawn = successor.suggest_float("learning_rate", 20, 30)

    (stored,) = storage.optuna.get_all_trials(study.optuna_study_id)
    assert stored.params == {"learning_rate": drawn}
    assert stored.intermediate_values == {}


def test_a_trials_number_is_its_slots_position_even_if_a_later_slot_begins_first(storage: Storage) -> None:
    definition: StudyDefinition = make_definition(
        space="mlp", dataset="digits", name="two", trials=4, epochs=1, seed=3, sampler="random"
    )
    study = insert_study(
        storage, definition, class_names=["0"], provenance={}, first_jobs=[SearchJob(values={"x": 0.25})]
    )
    slow, quick = claim(storage, "slow"), claim(storage, "quick")

    second, _ = open_trial(storage, study, quick)
    first, _ = open_trial(storage, study, slow)

    assert (first.number, second.number) == (0, 1)
    assert first.suggest_float("x", 0, 1) == 0.25
    assert second.suggest_float("x", 0, 1) != 0.25
    numbered = {trial.number: trial.seed for trial in load_study(storage, "two").trials}
    assert numbered == {number: trial_seed(3, number) for number in range(4)}


def test_somebodys_own_trial_in_optunas_study_costs_a_slot_its_number_and_not_its_seed(
    storage: Storage, study: Study
) -> None:
    foreign = storage.optuna.create_new_trial(study.optuna_study_id)

    first, _ = open_trial(storage, study, claim(storage, "a"))
    second, _ = open_trial(storage, study, claim(storage, "a"))

    assert storage.optuna.get_trial(foreign).number == 0
    assert (first.number, second.number) == (1, 2)
    numbers = [trial.number for trial in storage.optuna.get_all_trials(study.optuna_study_id)]
    assert numbers == [0, 1, 2]


def test_deleting_leaves_no_row_of_optunas_either(storage: Storage, study: Study) -> None:
    lease = claim(storage, "a")
    trial, _ = open_trial(storage, study, lease)
    trial.suggest_float("x", 0, 1)
    renew_lease(storage, lease, epoch=1, trial_id=trial._trial_id, scores={1: 0.5})
    storage.optuna.set_study_system_attr(study.optuna_study_id, "shown", "yes")

    delete_study(storage, study)

    inspector = sa.inspect(storage.engine)
    kept = {"version_info", "alembic_version", "tuner_alembic_version", "tuner_deleted_folders"}
    with storage.reader.connect() as connection:
        counts = {
            table: connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table)))
            for table in inspector.get_table_names()
            if table not in kept
        }
    assert set(counts.values()) == {0}
