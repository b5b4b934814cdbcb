import optuna
import pytest
from optuna.trial import TrialState

from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.lifecycle import Study
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, end_slot, release_slot, renew_lease
from tuner.studies.slots.outcomes import SearchOutcome
from tuner.studies.trials import close_ended_trials, end_orphans, open_trial

OUTCOME = SearchOutcome(state="complete", score=0.75, best_epoch=2)


@pytest.fixture
def lease(storage: Storage, study: Study) -> Lease:
    lease = claim_slot(storage, owner="w")
    assert lease is not None
    assert lease.study_id == study.id
    return lease


def trials_of(storage: Storage, study: Study) -> list[optuna.trial.FrozenTrial]:
    return storage.optuna.get_all_trials(study.optuna_study_id)


def test_a_released_slot_goes_on_with_the_same_trial_and_values(storage: Storage, study: Study, lease: Lease) -> None:
    trial, _ = open_trial(storage, study, lease)
    value = trial.suggest_float("x", 0, 1)
    trial.report(0.5, 1)
    release_slot(storage, lease)
    again = claim_slot(storage, owner="v")
    assert again is not None

    resumed, scores = open_trial(storage, study, again)

    assert resumed.number == trial.number
    assert resumed.suggest_float("x", 0, 1) == value
    assert scores.unstored({1: 0.5, 2: 0.6}) == {2: 0.6}


def test_a_trial_that_its_slot_does_not_know_is_found_again(storage: Storage, study: Study, lease: Lease) -> None:
    # The worker dies between creating the trial and noting its number in the slot.
    storage.optuna.create_new_trial(
        study.optuna_study_id,
        optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={"slot": lease.position}),
    )
    release_slot(storage, lease)
    again = claim_slot(storage, owner="v")
    assert again is not None

    open_trial(storage, study, again)

    assert len(trials_of(storage, study)) == 1


def test_a_trial_whose_worker_died_while_drawing_is_drawn_to_the_end_by_another_process(
    storage: Storage, storage_url: str, study: Study, lease: Lease
) -> None:
    trial, _ = open_trial(storage, study, lease)
    value = trial.suggest_float("x", 0, 1)
    release_slot(storage, lease)

    with open_storage(storage_url) as other_process:
        again = claim_slot(other_process, owner="v")
        assert again is not None
        resumed, _ = open_trial(other_process, study, again)
        drawn = (resumed.suggest_float("x", 0, 1), resumed.suggest_float("y", 0, 1))

    (stored,) = trials_of(storage, study)
    assert drawn == (value, stored.params["y"])


def test_an_ended_slot_closes_its_trial_with_the_score(storage: Storage, study: Study, lease: Lease) -> None:
    open_trial(storage, study, lease)
    end_slot(storage, lease, OUTCOME)

    closed = close_ended_trials(storage)

    (trial,) = trials_of(storage, study)
    assert (closed, trial.state, trial.value) == (1, TrialState.COMPLETE, 0.75)


def test_closing_again_changes_nothing(storage: Storage, study: Study, lease: Lease) -> None:
    open_trial(storage, study, lease)
    end_slot(storage, lease, OUTCOME)
    close_ended_trials(storage)

    assert close_ended_trials(storage) == 0


def test_equal_histories_draw_equal_values_on_any_worker(storage: Storage, study: Study, lease: Lease) -> None:
    first, _ = open_trial(storage, study, lease)
    value = first.suggest_float("x", 0, 1)

    other = optuna.create_study()
    from tuner.studies.samplers import make_sampler

    other.sampler = make_sampler(study.definition.search, study_seed=study.definition.seed, trial_number=first.number)

    assert other.ask().suggest_float("x", 0, 1) == value


def test_trials_that_run_without_a_slot_are_ended_and_others_are_not(
    storage: Storage, study: Study, lease: Lease
) -> None:
    bound, _ = open_trial(storage, study, lease)
    unbound = storage.optuna.create_new_trial(
        study.optuna_study_id, optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={"slot": 1})
    )
    foreign = storage.optuna.create_new_trial(study.optuna_study_id)
    second = storage.optuna.create_new_trial(
        study.optuna_study_id, optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={"slot": 7_000})
    )

    assert end_orphans(storage) == 2

    states = {trial._trial_id: trial.state for trial in trials_of(storage, study)}
    assert states[foreign] == states[second] == TrialState.FAIL
    assert states[bound._trial_id] == states[unbound] == TrialState.RUNNING
    assert end_orphans(storage) == 0


def test_a_trial_that_begins_anew_keeps_no_score_of_the_weights_that_are_gone(
    storage: Storage, study: Study, lease: Lease
) -> None:
    trial, scores = open_trial(storage, study, lease)

    for measured in ({1: 0.5, 2: 0.6, 3: 0.7}, {1: 0.5, 2: 0.4}):
        fresh = scores.unstored(measured)
        renew_lease(storage, lease, epoch=3, trial_id=scores.trial_id, scores=fresh, restarted=scores.replaces(fresh))
        scores.remember(fresh)

    assert storage.optuna.get_trial(trial._trial_id).intermediate_values == {1: 0.5, 2: 0.4}
    assert scores.unstored({1: 0.5, 2: 0.4, 3: 0.7}) == {3: 0.7}
