import pytest

from tuner.epochs import Epoch
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.finals_request import change_finals
from tuner.studies.fleet import read_workers, register_worker, update_worker
from tuner.studies.lifecycle import (
    Study,
    StudyExistsError,
    StudyNotFoundError,
    StudyStateError,
    delete_study,
    extend_study,
    find_study,
    insert_study,
    list_names,
    resume_study,
    stop_study,
)
from tuner.studies.progress import list_finished, read_finished, read_progress
from tuner.studies.records.reading import TrialNotFoundError, load_study, load_trial
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot
from tuner.studies.slots.outcomes import Result, SearchOutcome
from tuner.studies.trials import close_ended_trials, open_trial


def finish(storage: Storage, study: Study, *, score: float, state: Result = "complete") -> None:
    lease = claim_slot(storage, owner="w")
    assert lease is not None
    trial, _ = open_trial(storage, study, lease)
    trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    trial.report(score, 1)
    curve = (Epoch(epoch=1, loss=1.0, accuracy=score, val_loss=1.0, val_accuracy=score),)
    outcome = SearchOutcome(state=state, score=score, best_epoch=1, hyperparameters={"learning_rate": 0.1}, curve=curve)
    end_slot(storage, lease, outcome)
    close_ended_trials(storage)


@pytest.mark.usefixtures("study")
def test_a_study_is_stored_whole_and_read_back(storage: Storage, definition: StudyDefinition) -> None:
    found = find_study(storage, "s")

    assert found.definition == definition
    assert (found.state, found.budget, found.class_names) == ("searching", 6, ("0", "1"))


@pytest.mark.usefixtures("study")
def test_a_name_is_given_once(storage: Storage, definition: StudyDefinition) -> None:
    with pytest.raises(StudyExistsError, match="exists already"):
        insert_study(storage, definition, class_names=["0"], provenance={})


@pytest.mark.usefixtures("study")
def test_an_unknown_name_lists_the_known_ones(storage: Storage) -> None:
    with pytest.raises(StudyNotFoundError, match="Known studies: s"):
        find_study(storage, "nope")


def test_no_study_is_extended_beyond_what_one_may_have(storage: Storage, study: Study) -> None:
    with pytest.raises(StudyStateError, match=r"received 1,000,000 more\. Expected at most 1,000,000 together"):
        extend_study(storage, study.name, n_trials=1_000_000)


def test_extending_adds_slots_to_the_budget(storage: Storage, study: Study) -> None:
    extended = extend_study(storage, study.name, n_trials=4)

    assert extended.budget == 10
    assert read_progress(storage, extended).waiting == 10


def test_a_stopped_study_resumes_where_it_was(storage: Storage, study: Study) -> None:
    stop_study(storage, study, reason="enough")
    stopped = find_study(storage, study.name)

    resumed = resume_study(storage, study.name)

    assert (stopped.state, stopped.stop_reason) == ("stopped", "enough")
    assert (resumed.state, resumed.stop_reason) == ("searching", None)


def test_a_running_study_cannot_be_resumed(storage: Storage, study: Study) -> None:
    with pytest.raises(StudyStateError, match="not stopped"):
        resume_study(storage, study.name)


def test_deleting_leaves_nothing_in_either_table(storage: Storage, study: Study) -> None:
    finish(storage, study, score=0.5)

    delete_study(storage, study)

    assert list_names(storage) == []
    assert storage.optuna.get_all_studies() == []


def test_finals_cannot_be_asked_for_while_the_search_runs(storage: Storage, study: Study) -> None:
    with pytest.raises(StudyStateError, match="still searching"):
        change_finals(storage, study, top=1, repeats=1)


def test_a_record_holds_finished_running_and_waiting_trials(storage: Storage, study: Study) -> None:
    finish(storage, study, score=0.5)
    finish(storage, study, score=0.9, state="pruned")
    lease = claim_slot(storage, owner="w")
    assert lease is not None
    trial, _ = open_trial(storage, study, lease)
    trial.report(0.7, 1)

    record = load_study(storage, "s")

    assert [t.state for t in record.trials] == ["complete", "pruned", "running", "waiting", "waiting", "waiting"]
    assert [t.number for t in record.trials] == list(range(6))
    assert [t.score for t in record.trials[:3]] == [0.5, 0.9, 0.7]
    assert record.best is not None
    assert record.best.number == 1


@pytest.mark.parametrize("number", [77, 10**30])
def test_an_unknown_trial_is_named(storage: Storage, study: Study, number: int) -> None:
    with pytest.raises(TrialNotFoundError, match=f"no trial {number}"):
        load_trial(storage, study.name, number)


def test_progress_counts_by_outcome(storage: Storage, study: Study) -> None:
    finish(storage, study, score=0.5)
    finish(storage, study, score=0.9, state="pruned")

    progress = read_progress(storage, study)

    assert (progress.complete, progress.pruned, progress.failed, progress.waiting) == (1, 1, 0, 4)
    assert progress.best_score == 0.9
    assert progress.trials_per_hour is not None
    assert [slot.result for slot in read_finished(storage, list_finished(storage, study))] == ["complete", "pruned"]


def test_a_worker_is_shown_with_its_trial(storage: Storage, study: Study) -> None:
    lease = claim_slot(storage, owner="w")
    assert lease is not None
    register_worker(storage, worker_id="w", host="h", device="cpu", pid=1)
    open_trial(storage, study, lease)
    update_worker(storage, "w", state="training", slot_id=lease.slot_id)

    (worker,) = read_workers(storage)

    assert (worker.state, worker.study, worker.stage, worker.trial) == ("training", "s", "search", 0)
    assert worker.last_seen_s < 5


@pytest.mark.parametrize("name", ["caf\udce9", "a\0b", "\ud800"])
def test_a_name_that_no_database_can_be_asked_for_is_not_found(storage: Storage, name: str) -> None:
    with pytest.raises(StudyNotFoundError, match="No study named"):
        find_study(storage, name)
