import importlib.util
import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from tuner.errors import TunerError
from tuner.studies.samplers import SAMPLERS, make_sampler
from tuner.studies.samplers.one_factor import NotGivenError
from tuner.studies.sections.search import SearchSection

#: The Gaussian process runs where PyTorch is installed; elsewhere its message is tested below. One factor at a time
#: draws nothing.
RUNNABLE = [name for name in SAMPLERS if name != "one-factor" and (name != "gp" or importlib.util.find_spec("torch"))]
GRID = {"rate": [0.001, 0.01, 0.1]}

Objective = Callable[[optuna.Trial], float]


def search_section(sampler: str, **settings: Any) -> SearchSection:
    grid = {"grid": GRID} if sampler == "grid" else {}
    return SearchSection.model_validate({"sampler": sampler, "startup_trials": 5, **grid, **settings})


def toy(trial: optuna.Trial) -> float:
    """Best at rate 0.01, with three layers; has a log scale, integers, a choice and a condition, as spaces have."""
    rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
    layers = trial.suggest_int("layers", 1, 4)
    kind = trial.suggest_categorical("kind", ["plain", "deep"])
    bonus = 0.1 * trial.suggest_int("extra", 0, 2) if kind == "deep" else 0.0
    return 1 - abs(rate - 0.01) - 0.1 * abs(layers - 3) + bonus


def draw(
    study: optuna.Study, search: SearchSection, objective: Objective, *, seed: int = 0
) -> optuna.trial.FrozenTrial:
    """Run one trial with a sampler of its own, as a worker does."""
    number = len(study.get_trials(deepcopy=False))
    study.sampler = make_sampler(search, study_seed=seed, trial_number=number)
    trial = study.ask()
    value = objective(trial)
    trial.report(value, step=1)
    if number % 3 == 2:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, value)
    return study.trials[-1]


def in_memory() -> optuna.Study:
    return optuna.create_study(direction="maximize", study_name="toy")


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_sampler_draws_every_kind_of_hyperparameter_within_its_range(name: str) -> None:
    study = in_memory()

    trials = [draw(study, search_section(name), toy) for _ in range(20)]

    assert all(1e-4 <= trial.params["rate"] <= 1 and 1 <= trial.params["layers"] <= 4 for trial in trials)
    assert {trial.params["kind"] for trial in trials} == {"plain", "deep"}
    assert all(("extra" in trial.params) == (trial.params["kind"] == "deep") for trial in trials)


@pytest.mark.parametrize("name", RUNNABLE)
def test_equal_histories_and_seeds_give_equal_draws_whoever_draws(name: str) -> None:
    first, second, other = in_memory(), in_memory(), in_memory()

    for _ in range(14):
        draw(first, search_section(name), toy, seed=1)
        draw(second, search_section(name), toy, seed=1)
        draw(other, search_section(name), toy, seed=2)

    assert [trial.params for trial in first.trials] == [trial.params for trial in second.trials]
    assert [trial.params for trial in first.trials] != [trial.params for trial in other.trials]


@pytest.mark.parametrize("name", RUNNABLE)
def test_trials_that_begin_together_differ(name: str) -> None:
    study = in_memory()
    open_trials = []
    for number in range(6):
        study.sampler = make_sampler(search_section(name), study_seed=0, trial_number=number)
        open_trials.append(study.ask())

    for trial in open_trials:
        study.sampler = make_sampler(search_section(name), study_seed=0, trial_number=trial.number)
        trial.study.sampler = study.sampler
        toy(trial)

    assert len({repr(sorted(trial.params.items())) for trial in open_trials}) == 6


@pytest.mark.parametrize("name", ["random", "grid", "qmc"])
def test_a_trial_that_is_drawn_in_two_parts_equals_one_drawn_at_once(name: str) -> None:
    whole, broken = in_memory(), in_memory()
    expected = draw(whole, search_section(name), toy)
    broken.sampler = make_sampler(search_section(name), study_seed=0, trial_number=0)
    broken.ask().suggest_float("rate", 1e-4, 1.0, log=True)

    broken.sampler = make_sampler(search_section(name), study_seed=0, trial_number=0)
    resumed = optuna.Trial(broken, broken.trials[0]._trial_id)
    toy(resumed)

    assert resumed.params == expected.params


@pytest.mark.parametrize("name", ["tpe", "cmaes", *(["gp"] if "gp" in RUNNABLE else [])])
def test_a_sampler_that_learns_does_better_than_at_random(name: str) -> None:
    def bowl(trial: optuna.Trial) -> float:
        return -(trial.suggest_float("x", -5, 5) ** 2) - (trial.suggest_float("y", -5, 5) - 1) ** 2

    learned, random = in_memory(), in_memory()
    for _ in range(60):
        draw(learned, search_section(name), bowl)
        draw(random, search_section("random"), bowl)

    late = [trial.value or 0.0 for trial in learned.trials[30:]]
    unlearned = [trial.value or 0.0 for trial in random.trials[30:]]
    assert sum(late) / len(late) > 0.5 * sum(unlearned) / len(unlearned)


def test_cmaes_stores_nothing_that_could_run_code() -> None:
    study = in_memory()

    for _ in range(30):
        draw(study, search_section("cmaes"), toy)

    assert all(trial.system_attrs == {} for trial in study.trials)


def test_one_factor_at_a_time_takes_what_its_trial_is_given_and_draws_nothing() -> None:
    study = in_memory()
    study.sampler = make_sampler(search_section("one-factor", vary={"layers": [2]}), study_seed=0, trial_number=0)
    study.enqueue_trial({"layers": 2})
    trial = study.ask()

    assert trial.suggest_int("layers", 1, 4) == 2
    with pytest.raises(NotGivenError, match="rate"):
        trial.suggest_float("rate", 0.0, 1.0)
    assert trial.params == {"layers": 2}


def test_a_grid_meets_every_combination_once_however_many_workers_draw() -> None:
    def box(trial: optuna.Trial) -> float:
        trial.suggest_float("rate", 1e-4, 1.0, log=True)
        trial.suggest_int("layers", 2, 8, step=2)
        trial.suggest_categorical("kind", ["a", "b"])
        trial.suggest_float("share", 0.0, 0.5, step=0.25)
        return 0.0

    study = in_memory()

    trials = [draw(study, search_section("grid"), box) for _ in range(3 * 4 * 2 * 3)]

    seen = {tuple(trial.params[name] for name in ("rate", "layers", "kind", "share")) for trial in trials}
    assert seen == set(product([0.001, 0.01, 0.1], [2, 4, 6, 8], ["a", "b"], [0.0, 0.25, 0.5]))


def test_the_first_trials_of_a_large_grid_vary_all_hyperparameters() -> None:
    def box(trial: optuna.Trial) -> float:
        return float(sum(trial.suggest_int(name, 0, 3) for name in "abcd"))

    study = in_memory()

    trials = [draw(study, search_section("grid", grid={}), box) for _ in range(4)]

    assert all({trial.params[name] for trial in trials} == {0, 1, 2, 3} for name in "abcd")


def test_a_quasi_random_sequence_spreads_more_evenly_than_random_draws() -> None:
    def line(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", 0, 1) + trial.suggest_int("steps", 0, 7) + trial.suggest_float("y", 0, 1)

    study = in_memory()

    trials = [draw(study, search_section("qmc"), line) for _ in range(32)]

    assert {int(trial.params["x"] * 32) for trial in trials} == set(range(32))
    assert {int(trial.params["y"] * 32) for trial in trials} == set(range(32))
    assert sorted(trial.params["steps"] for trial in trials) == sorted([*range(8)] * 4)


def test_a_grid_names_the_continuous_hyperparameter_that_lacks_values() -> None:
    with pytest.raises(TunerError) as caught:
        draw(in_memory(), search_section("grid", grid={}), toy)

    assert "continuous hyperparameter 'rate' (a number from 0.0001 to 1)" in str(caught.value)
    assert "`search.grid.rate = [..]`" in str(caught.value)


def test_a_grid_takes_a_conditional_hyperparameter_by_its_plain_name() -> None:
    def conditional(trial: optuna.Trial) -> float:
        return trial.suggest_float("rate [optimizer=adam|adamw]", 1e-4, 1.0, log=True)

    study = in_memory()

    trials = [draw(study, search_section("grid"), conditional) for _ in range(3)]

    assert {trial.params["rate [optimizer=adam|adamw]"] for trial in trials} == {0.001, 0.01, 0.1}


def test_integers_on_a_log_scale_need_values_too() -> None:
    def wide(trial: optuna.Trial) -> float:
        return trial.suggest_int("units", 10, 1024, log=True)

    with pytest.raises(TunerError, match="hyperparameter 'units'"):
        draw(in_memory(), search_section("grid"), wide)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"rate": [0.1, 2]}, "search.grid.rate: received 2.0, expected a number from 0.0001 to 1"),
        ({**GRID, "layers": [9]}, "search.grid.layers: received 9, expected an integer from 1 to 4"),
        ({**GRID, "layers": [1.5]}, "search.grid.layers: received 1.5"),
        ({**GRID, "kind": ["flat"]}, "search.grid.kind: received 'flat', expected one of 'plain', 'deep'"),
    ],
)
def test_values_outside_of_the_space_are_refused(grid: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(TunerError) as caught:
        draw(in_memory(), search_section("grid", grid=grid), toy)

    assert message in str(caught.value)


def test_an_unknown_sampler_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TunerError, match=r"No sampler named 'tppe'. Did you mean 'tpe'\? Known samplers: tpe, random"):
        make_sampler(search_section("tppe"), study_seed=0, trial_number=0)


def test_the_gaussian_process_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(TunerError, match=r"needs PyTorch, which is not installed.*pip install .tuner\[gp\]"):
        make_sampler(search_section("gp"), study_seed=0, trial_number=0)


def test_every_sampler_says_in_a_line_what_it_is_for() -> None:
    assert all((make.__doc__ or "").strip() for make in SAMPLERS.values())


def test_a_grid_meets_every_combination_beside_somebodys_own_trial() -> None:
    study = in_memory()
    study.ask()

    drawn = set()
    for position in range(6):
        study.sampler = make_sampler(search_section("grid"), study_seed=0, trial_number=position)
        trial = study.ask()
        drawn.add((trial.suggest_float("rate", 1e-4, 1.0), trial.suggest_categorical("kind", ["plain", "deep"])))

    assert drawn == set(product(GRID["rate"], ["plain", "deep"]))
