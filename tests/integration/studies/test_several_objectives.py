"""A search with several objectives: its front here and in Optuna, its finals, its end, and what starts from it."""

from collections.abc import Mapping
from itertools import product
from typing import Literal

import optuna
import pytest
from optuna.trial import TrialState
from support.made_slots import make_slot
from support.objectives import ACCURACY
from support.running_studies import create_study

from tuner.jobs.finals.planning import advance_study
from tuner.objectives import COSTS
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import Study, find_study
from tuner.studies.progress import read_progress
from tuner.studies.ranking import best_trials, confirmed_scores, read_rank
from tuner.studies.records.reading import load_outline, read_slots
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot, release_slot
from tuner.studies.slots.limits import end_search_without_progress
from tuner.studies.slots.outcomes import ConfirmJob, ConfirmOutcome, SearchJob, SearchOutcome
from tuner.studies.slots.slot import RetrainSlot
from tuner.studies.trial_details import read_study_head
from tuner.studies.trials import close_ended_trials, open_trial, read_costs, store_costs
from tuner.studies.warm_start import OtherObjectivesError, best_of_earlier

OBJECTIVES = 'search.objectives=["accuracy", "parameters"]'
COST = COSTS["parameters"]
UNITS, LAYERS, RATES = (8, 16, 32, 64), (1, 2, 3), (0.001, 0.01)


def reached(units: int, layers: int, rate: float) -> tuple[float, float]:
    """Return accuracy and parameters of a net that nobody trains: too many layers hurt, as do small rates."""
    accuracy = 1 - 1 / (units * min(layers, 2)) - 0.02 * (layers == 3) - (0.05 if rate == 0.001 else 0)
    return round(accuracy, 6), float(64 * units + layers * units**2)


def run_trial(
    storage: Storage,
    study: Study,
    *,
    values: Mapping[str, float] | None = None,
    state: Literal["complete", "pruned"] = "complete",
) -> SearchOutcome:
    """Let a worker train the next trial to what `reached` says, or to these values."""
    lease = claim_slot(storage, owner="w", study_names=[study.name])
    assert lease is not None
    trial, _ = open_trial(storage, study, lease)
    units = trial.suggest_categorical("units", UNITS)
    drawn = {
        "units": units,
        "layers": trial.suggest_int("layers", 1, 3),
        "rate": trial.suggest_categorical("rate", RATES),
    }
    score, parameters = reached(**drawn) if values is None else (values["accuracy"], values["parameters"])
    costs = {"parameters": parameters, "size_bytes": 4 * parameters, "latency_ms": 0.1}
    store_costs(storage, lease, trial._trial_id, costs)
    outcome = SearchOutcome(state=state, score=score, best_epoch=1, hyperparameters=drawn, costs=costs)
    end_slot(storage, lease, outcome)
    close_ended_trials(storage)
    return outcome


def make_study(storage: Storage, *points: tuple[float, float], overrides: tuple[str, ...] = ()) -> Study:
    study = create_study(storage, trials=len(points), overrides=(OBJECTIVES, "search.sampler=random", *overrides))
    for accuracy, parameters in points:
        run_trial(storage, study, values={"accuracy": accuracy, "parameters": parameters})
    return find_study(storage, study.name)


def test_the_front_of_a_grid_is_that_of_an_exhaustive_evaluation(storage: Storage) -> None:
    every = [reached(*values) for values in product(UNITS, LAYERS, RATES)]
    study = create_study(storage, trials=len(every), overrides=(OBJECTIVES, "search.sampler=grid"))

    for _ in every:
        run_trial(storage, study)

    best = {one for one in every if not any(a >= one[0] and p <= one[1] and (a, p) != one for a, p in every)}
    record = load_outline(storage, study.name)
    assert {(trial.score, trial.costs["parameters"]) for trial in record.trials} == set(every)
    assert {(trial.score, trial.costs["parameters"]) for trial in record.front} == best
    assert [trial.score for trial in record.front] == sorted((trial.score for trial in record.front), reverse=True)
    assert record.best == record.front[0]
    assert read_progress(storage, study).front == len(best)
    in_optuna = optuna.load_study(study_name=study.name, storage=storage.optuna)
    assert in_optuna.metric_names == ["validation accuracy", "parameters"]
    assert [direction.name for direction in in_optuna.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert {tuple(trial.values) for trial in in_optuna.best_trials} == best
    head = read_study_head(storage, study.optuna_study_id)
    assert head is not None
    assert head.value_labels == ("validation accuracy", "parameters")
    assert set(head.best_trial_ids) == {trial._trial_id for trial in in_optuna.best_trials}


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "nsga3"])
def test_a_sampler_of_several_objectives_draws_from_what_it_has_seen(storage: Storage, sampler: str) -> None:
    overrides = (OBJECTIVES, f"search.sampler={sampler}", "search.startup_trials=4")
    study = create_study(storage, trials=14, overrides=overrides)

    # A trial that was ended by its time has its values too; Optuna's TPE knows no pruned trial of several objectives.
    for number in range(14):
        run_trial(storage, study, state="pruned" if number == 5 else "complete")

    trials = storage.optuna.get_all_trials(study.optuna_study_id)
    assert all(trial.state == TrialState.COMPLETE and len(trial.values) == 2 for trial in trials)
    generations = [value for trial in trials for key, value in trial.system_attrs.items() if key.endswith("generation")]
    assert max(generations, default=0) == (0 if sampler == "tpe" else 3)


def test_a_trial_without_all_values_has_none_in_optuna_and_is_on_no_front(storage: Storage) -> None:
    study = create_study(storage, trials=2, overrides=(OBJECTIVES, "search.sampler=random"))
    for costs in ({"parameters": 10.0}, {}):
        lease = claim_slot(storage, owner="w", study_names=["s"])
        assert lease is not None
        open_trial(storage, study, lease)
        state: Literal["complete", "pruned"] = "complete" if costs else "pruned"
        end_slot(storage, lease, SearchOutcome(state=state, score=0.9, best_epoch=1, costs=costs))
        close_ended_trials(storage)

    first, second = storage.optuna.get_all_trials(study.optuna_study_id)
    assert (first.state, first.values) == (TrialState.COMPLETE, [0.9, 10.0])
    assert (second.state, second.values) == (TrialState.PRUNED, None)
    assert [trial.number for trial in load_outline(storage, "s").front] == [0]


def test_what_one_worker_measured_the_next_one_finds(storage: Storage) -> None:
    study = create_study(storage, trials=1, overrides=(OBJECTIVES,))
    first = claim_slot(storage, owner="a", study_names=["s"])
    assert first is not None
    trial, _ = open_trial(storage, study, first)
    assert read_costs(trial) == {}
    store_costs(storage, first, trial._trial_id, {"parameters": 7.0, "latency_ms": 0.25})
    release_slot(storage, first)
    second = claim_slot(storage, owner="b", study_names=["s"])
    assert second is not None

    again, _ = open_trial(storage, study, second)

    assert read_costs(again) == {"parameters": 7.0, "latency_ms": 0.25}


FRONT = ((0.90, 100.0), (0.95, 1_000.0), (0.955, 1_100.0), (0.99, 10_000.0), (0.94, 20_000.0))


def test_two_scores_and_a_cost_have_one_front_here_and_in_optuna(storage: Storage) -> None:
    objectives = 'search.objectives=["accuracy", "loss", "parameters"]'
    finals = ("finals.top=1", "finals.candidates=3", "finals.confirm_repeats=1", "finals.compare_augmentation=false")
    points = ((0.9, 0.3, 100.0), (0.8, 0.2, 100.0), (0.8, 0.4, 50.0), (0.7, 0.4, 60.0))
    study = create_study(storage, trials=4, overrides=(objectives, "search.sampler=random", *finals))
    for accuracy, loss, parameters in points:
        lease = claim_slot(storage, owner="w", study_names=["s"])
        assert lease is not None
        open_trial(storage, study, lease)
        beside = {"costs": {"parameters": parameters}, "others": {"loss": loss}}
        end_slot(storage, lease, SearchOutcome(state="complete", score=accuracy, best_epoch=1, **beside))
        close_ended_trials(storage)

    in_optuna = optuna.load_study(study_name="s", storage=storage.optuna)
    assert [trial.values for trial in in_optuna.best_trials] == [list(point) for point in points[:3]]
    assert [trial.number for trial in load_outline(storage, "s").front] == [0, 1, 2]
    progress = read_progress(storage, study)
    assert progress.front == 3
    assert not end_search_without_progress(
        storage, study.id, patience=2, objective=ACCURACY, others=study.definition.others
    )

    # Confirmations measure both scores again: the one with the lower loss is now no better in anything.
    assert advance_study(storage, study)
    measured = {0: (0.9, 0.3), 1: (0.8, 0.35), 2: (0.8, 0.4)}
    while (lease := claim_slot(storage, owner="w", study_names=["s"])) is not None:
        assert isinstance(lease.job, ConfirmJob)
        accuracy, loss = measured[lease.job.trial]
        end_slot(storage, lease, ConfirmOutcome(state="complete", score=accuracy, others={"loss": loss}))
    assert advance_study(storage, study)
    (final,) = load_outline(storage, "s").finals
    assert (final.trial, final.mean_score, dict(final.others)) == (0, 0.9, {"loss": 0.3})
    slots = read_slots(storage, study.id)
    assert list(confirmed_scores(slots, ACCURACY, study.definition.others)) == [0, 2, 1]


def test_candidates_and_finals_are_spread_over_the_front_and_ranked_by_dominance(storage: Storage) -> None:
    finals = ("finals.top=3", "finals.candidates=4", "finals.confirm_repeats=1", "finals.repeats=1")
    study = make_study(storage, *FRONT, overrides=(*finals, "finals.compare_augmentation=false"))

    assert advance_study(storage, study)
    confirmed = []
    while (lease := claim_slot(storage, owner="w", study_names=["s"])) is not None:
        assert isinstance(lease.job, ConfirmJob)
        confirmed.append(lease.job.trial)
        # With new seeds the second one is worse than a smaller net.
        score = {0: 0.91, 1: 0.95, 2: 0.94, 3: 0.98}[lease.job.trial]
        end_slot(storage, lease, ConfirmOutcome(state="complete", score=score))
    assert advance_study(storage, study)

    jobs = [slot.job for slot in read_slots(storage, study.id) if isinstance(slot, RetrainSlot)]
    assert confirmed == [3, 2, 0, 1]
    assert [(job.trial, job.val_accuracy_mean, job.costs["parameters"]) for job in jobs] == [
        (3, 0.98, 10_000), (1, 0.95, 1_000), (0, 0.91, 100),
    ]  # fmt: skip
    assert [read_rank(storage, study, trial=trial) for trial in (3, 1, 0)] == [1, 2, 3]
    record = load_outline(storage, "s")
    assert [(final.trial, final.costs["parameters"]) for final in record.finals] == [(3, 10_000), (1, 1_000), (0, 100)]


def test_one_final_is_the_trial_of_best_score() -> None:
    slots = [
        make_slot(
            number,
            "search",
            SearchJob(),
            SearchOutcome(state="complete", score=score, costs={"parameters": parameters}),
            number=number,
        )
        for number, (score, parameters) in enumerate(FRONT)
    ]

    assert [slot.trial_number for slot in best_trials(slots, ACCURACY, (COST,))] == [3, 2, 0, 1, 4]


def test_a_search_without_a_new_point_on_the_front_ends(storage: Storage) -> None:
    study = create_study(storage, trials=9, overrides=(OBJECTIVES, "search.sampler=random"))

    def is_over() -> bool:
        return end_search_without_progress(storage, study.id, patience=2, objective=ACCURACY, others=(COST,))

    # The second is no better in score, but smaller; the third equals it, and the fourth is dominated.
    ends = []
    for accuracy, parameters in ((0.9, 100.0), (0.8, 50.0), (0.8, 50.0), (0.7, 60.0)):
        run_trial(storage, study, values={"accuracy": accuracy, "parameters": parameters})
        ends.append(is_over())

    assert ends == [False, False, False, True]


def test_a_search_starts_from_the_front_of_one_with_the_same_objectives_alone(storage: Storage) -> None:
    study = make_study(storage, *FRONT)
    trials = storage.optuna.get_all_trials(study.optuna_study_id)

    def earlier(*overrides: str) -> list[Mapping[str, object]]:
        definition = make_definition(space="mlp", dataset="digits", warm_start="s", overrides=overrides)
        return list(best_of_earlier(storage, definition.search))

    assert earlier(OBJECTIVES, "search.warm_start_trials=2") == [trials[3].params, trials[2].params]
    for other in ((), ('search.objectives=["accuracy", "latency_ms"]',)):
        with pytest.raises(OtherObjectivesError, match=r"'s' has the objectives accuracy, parameters"):
            earlier(*other)
