"""Searches and finals that end by their time or their patience, by the database's clock."""

import time

import pytest
import sqlalchemy as sa

from tuner.jobs.finals.planning import advance_study
from tuner.studies.database.schema import database_time, studies
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.finals_request import change_finals
from tuner.studies.lifecycle import Study, extend_study, find_study, insert_study, resume_study, stop_study
from tuner.studies.progress import read_progress
from tuner.studies.records.ended_by import describe_ends
from tuner.studies.records.reading import load_outline
from tuner.studies.records.shortfall import find_shortfall
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, TimeOverError, end_slot, release_slot, renew_lease
from tuner.studies.slots.limits import end_search_without_progress
from tuner.studies.slots.outcomes import (
    ConfirmOutcome,
    EnsembleJob,
    Failure,
    RetrainOutcome,
    SearchOutcome,
    failed_outcome,
)
from tuner.studies.trials import close_ended_trials, open_trial


def insert(storage: Storage, *overrides: str, trials: int = 6) -> Study:
    definition = make_definition(space="mlp", dataset="digits", name="s", trials=trials, epochs=4, overrides=overrides)
    return insert_study(storage, definition, class_names=["0", "1"], provenance={"data_sha256": "0" * 64})


def claim(storage: Storage) -> Lease:
    lease = claim_slot(storage, owner="w")
    assert lease is not None
    return lease


def train(storage: Storage, study: Study, score: float | None) -> None:
    """Run one trial; one without a score fails."""
    lease = claim(storage)
    open_trial(storage, study, lease)
    failure = Failure(kind="nan_loss", message="The loss became nan.")
    values = {"learning_rate": 0.1}
    outcome = SearchOutcome(state="complete", score=score, best_epoch=1, hyperparameters=values)
    end_slot(storage, lease, failed_outcome("search", failure) if score is None else outcome)
    close_ended_trials(storage)


def let_time_pass(storage: Storage, seconds: float) -> None:
    """Move the deadlines that run towards now."""
    with storage.engine.begin() as connection:
        connection.execute(sa.update(studies).values(deadline_at=studies.c.deadline_at - seconds))


def limit_left(storage: Storage) -> float | None:
    return read_progress(storage, find_study(storage, "s")).limit_left_s


def finish_finals(storage: Storage) -> None:
    while lease := claim_slot(storage, owner="w"):
        outcomes = {
            "confirm": ConfirmOutcome(state="complete", score=0.5, best_epoch=1, hyperparameters={}),
            "retrain": RetrainOutcome(state="complete", test_accuracy=0.5, bundle="b", predictions="p"),
        }
        end_slot(storage, lease, outcomes[lease.stage])


def test_the_clock_of_a_search_starts_with_its_first_trial_and_ends_it_when_it_is_over(storage: Storage) -> None:
    study = insert(storage, "search.timeout=1h")
    before = limit_left(storage)
    train(storage, study, 0.7)
    in_training = claim(storage)
    open_trial(storage, study, in_training)
    after = limit_left(storage)

    let_time_pass(storage, 3600)
    with pytest.raises(TimeOverError, match=r"search\.timeout"):
        renew_lease(storage, in_training, epoch=1)
    refused = claim_slot(storage, owner="v")
    again = find_study(storage, "s")
    end_slot(storage, in_training, SearchOutcome(state="pruned", score=0.6, best_epoch=1, ended="timeout"))
    close_ended_trials(storage)

    assert before is None
    assert after == pytest.approx(3600, abs=60)
    assert refused is None
    assert (again.state, again.search_ended, again.budget) == ("searching", "timeout", 6)
    assert advance_study(storage, again)
    assert find_study(storage, "s").state == "finals"
    assert describe_ends(load_outline(storage, "s")) == [
        "The search ended after 2 of its budget of 6 trials: its time was over (search.timeout = 1h)."
    ]


def test_a_renewal_after_the_time_is_over_holds_the_lease_and_stores_the_scores(storage: Storage) -> None:
    study = insert(storage, "search.timeout=10")
    lease = claim(storage)
    trial, _ = open_trial(storage, study, lease)
    let_time_pass(storage, 10)

    for epoch in (1, 2):
        with pytest.raises(TimeOverError):
            renew_lease(storage, lease, epoch=epoch, lease_s=60, trial_id=trial._trial_id, scores={epoch: 0.5})

    stored = storage.optuna.get_trial(trial._trial_id).intermediate_values
    assert stored == {1: 0.5, 2: 0.5}


def test_the_clock_is_paused_while_the_study_is_stopped(storage: Storage) -> None:
    study = insert(storage, "search.timeout=1h")
    train(storage, study, 0.5)
    let_time_pass(storage, 600)

    stop_study(storage, study)
    stopped = limit_left(storage)
    with storage.engine.begin() as connection:
        kept = connection.scalar(sa.select(studies.c.time_left_s))
    resume_study(storage, "s")
    train(storage, study, 0.6)

    assert stopped is None
    assert kept == pytest.approx(3000, abs=60)
    assert limit_left(storage) == pytest.approx(3000, abs=60)


def test_a_trial_that_a_vanished_worker_began_is_ended_by_another_one(storage: Storage) -> None:
    study = insert(storage, "search.timeout=10")
    begun = claim(storage)
    open_trial(storage, study, begun)
    release_slot(storage, begun)
    let_time_pass(storage, 10)

    again = claim(storage)

    assert (again.slot_id, again.trial_number) == (begun.slot_id, 0)
    assert read_progress(storage, study).waiting == 0
    with pytest.raises(TimeOverError):
        renew_lease(storage, again, epoch=1)


def test_a_search_ends_when_its_last_trials_brought_nothing_better(storage: Storage) -> None:
    study = insert(storage, "search.patience=2")

    def ends() -> bool:
        return end_search_without_progress(storage, study.id, patience=2, objective=study.definition.objective)

    ended = []
    for score in (0.5, 0.4, 0.7, 0.7, None):
        train(storage, study, score)
        ended.append(ends())
        time.sleep(0.002)

    assert ended == [False, False, False, False, True]
    assert claim_slot(storage, owner="w") is None
    assert advance_study(storage, study)
    (sentence,) = describe_ends(load_outline(storage, "s"))
    assert sentence.startswith("The search ended after 5 of its budget of 6 trials: the last 2 trials brought no ")
    assert not ends()


def test_an_extended_search_has_its_time_and_its_patience_again(storage: Storage) -> None:
    study = insert(storage, "search.timeout=1h", "search.patience=1")
    for score in (0.5, 0.4):
        train(storage, study, score)
    assert end_search_without_progress(storage, study.id, patience=1, objective=study.definition.objective)

    extended = extend_study(storage, "s", n_trials=2)
    at_once = end_search_without_progress(storage, study.id, patience=1, objective=study.definition.objective)
    train(storage, study, 0.3)

    assert (extended.state, extended.search_ended, extended.budget) == ("searching", None, 8)
    assert not at_once
    assert limit_left(storage) == pytest.approx(3600, abs=60)
    assert end_search_without_progress(storage, study.id, patience=1, objective=study.definition.objective)


def test_a_search_that_is_extended_while_it_runs_keeps_its_clock(storage: Storage) -> None:
    study = insert(storage, "search.timeout=1h")
    train(storage, study, 0.5)
    let_time_pass(storage, 600)

    extend_study(storage, "s", n_trials=2)

    assert limit_left(storage) == pytest.approx(3000, abs=60)


def test_finals_have_a_clock_of_their_own_and_end_with_what_is_tested(storage: Storage) -> None:
    study = insert(storage, "search.timeout=1h", "finals.timeout=30m", "finals.top=1", "finals.repeats=3", trials=2)
    for score in (0.5, 0.6):
        train(storage, study, score)
    assert advance_study(storage, study)
    finish_finals(storage)
    assert advance_study(storage, study)
    left = limit_left(storage)
    told = read_progress(storage, find_study(storage, "s")).total_time_left_s
    tested = claim(storage)
    end_slot(storage, tested, RetrainOutcome(state="complete", test_accuracy=0.9, bundle="b", predictions="p"))
    in_training = claim(storage)

    let_time_pass(storage, 1800)
    with pytest.raises(TimeOverError, match=r"finals\.timeout"):
        renew_lease(storage, in_training, epoch=3)
    assert claim_slot(storage, owner="v") is None
    end_slot(storage, in_training, failed_outcome("retrain", Failure(kind="timeout", message="Over.")))
    planned = advance_study(storage, study)

    vote = claim(storage)
    assert left == pytest.approx(1800, abs=60)
    # No epoch was reported, from which their time could follow.
    assert told == pytest.approx(1800, abs=60)
    assert planned
    assert vote.job == EnsembleJob(slots=(tested.slot_id,))
    end_slot(storage, vote, failed_outcome("ensemble", Failure(kind="x", message="y")))
    assert not advance_study(storage, study)
    record = load_outline(storage, "s")
    assert (record.state, record.finals_ended, record.search_ended) == ("done", "timeout", None)
    assert describe_ends(record) == [
        "The finals ended with what was trained: their time was over (finals.timeout = 30m). `tuner finals s` goes on."
    ]


def test_finals_that_time_ended_are_no_incomplete_result_and_go_on_when_they_are_asked_for(storage: Storage) -> None:
    study = insert(storage, "finals.timeout=30m", "finals.top=1", "finals.repeats=2", trials=1)
    train(storage, study, 0.5)
    advance_study(storage, study)
    claimed = claim(storage)
    let_time_pass(storage, 1800)
    assert claim_slot(storage, owner="v") is None
    end_slot(storage, claimed, failed_outcome("confirm", Failure(kind="timeout", message="Over.")))
    assert not advance_study(storage, study)
    shortfall = find_shortfall(load_outline(storage, "s"))

    asked = change_finals(storage, find_study(storage, "s"), top=None, repeats=None)
    planned = advance_study(storage, asked)
    finish_finals(storage)
    advance_study(storage, asked)
    first = claim(storage)
    end_slot(storage, first, RetrainOutcome(state="complete", test_accuracy=0.5, bundle="b", predictions="p"))
    let_time_pass(storage, 1800)
    assert claim_slot(storage, owner="v") is None

    assert shortfall is not None
    assert "no model was tested before the time of its finals was over" in shortfall
    assert (asked.state, asked.finals_ended, planned) == ("finals", None, True)
    assert find_study(storage, "s").finals_ended == "timeout"
    advance_study(storage, asked)
    end_slot(storage, claim(storage), failed_outcome("ensemble", Failure(kind="timeout", message="y")))
    advance_study(storage, asked)
    assert find_shortfall(load_outline(storage, "s")) is None


def test_a_study_without_limits_has_no_clock(storage: Storage) -> None:
    study = insert(storage)
    train(storage, study, 0.5)

    with storage.engine.connect() as connection:
        row = connection.execute(sa.select(studies.c.deadline_at, studies.c.time_left_s, database_time())).one()

    assert (row.deadline_at, row.time_left_s) == (None, None)
