from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from tuner.errors import TunerError
from tuner.studies.pruners import PRUNERS, make_pruner
from tuner.studies.sections import SearchSection

EPOCHS = 9


def search_section(pruner: str, **pruning: Any) -> SearchSection:
    return SearchSection.model_validate(
        {"pruner": pruner, "epochs": EPOCHS, "pruning": {"startup_trials": 2, "patience": 1, **pruning}}
    )


def run(search: SearchSection, *, trials: int = 24) -> list[optuna.trial.FrozenTrial]:
    """Run trials of different levels, the first the best; every other one loses a little with each epoch."""
    study = optuna.create_study(direction="maximize", study_name="curves")
    for number in range(trials):
        # Each trial gets a pruner of its own, as on workers that have seen nothing.
        study.pruner = make_pruner(search)
        trial = study.ask()
        level = 0.9 - 0.02 * (number * 7 % trials)
        value = train(trial, level, improves=number % 2 == 0)
        study.tell(trial, value, state=None if value is not None else TrialState.PRUNED)
    return study.trials


def train(trial: optuna.Trial, level: float, *, improves: bool) -> float | None:
    """Return the last epoch's value, or None when the trial was pruned."""
    value = level
    for epoch in range(1, EPOCHS + 1):
        value = level + 0.001 * epoch if improves else level - 0.001 * epoch
        trial.report(value, step=epoch)
        if trial.should_prune():
            return None
    return value


@pytest.mark.parametrize("name", [name for name in PRUNERS if name != "none"])
def test_weak_trials_are_pruned_and_the_best_is_not(name: str) -> None:
    trials = run(search_section(name))

    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert len(pruned) >= 4
    assert trials[0].state == TrialState.COMPLETE
    assert all((trial.last_step or 0) < EPOCHS for trial in pruned if name != "hyperband")


def test_without_a_pruner_every_trial_reaches_its_last_epoch() -> None:
    trials = run(search_section("none"))

    assert [trial.last_step for trial in trials] == [EPOCHS] * len(trials)


def test_asha_decides_at_multiples_of_the_reduction_factor_alone() -> None:
    trials = run(search_section("asha", min_resource=2, reduction_factor=2))

    ends = {trial.last_step for trial in trials if trial.state == TrialState.PRUNED}
    assert ends <= {2, 4, 8}
    assert 2 in ends


def test_no_trial_ends_in_its_warmup_epochs() -> None:
    trials = run(search_section("median", warmup_epochs=3))

    assert min(trial.last_step or 0 for trial in trials) == 4


def test_a_patient_pruner_spares_a_weak_trial_that_still_improves() -> None:
    trials = run(search_section("patient"))

    assert all(trial.state == TrialState.COMPLETE for trial in trials[::2])


def test_a_larger_percentile_keeps_more_trials() -> None:
    few = run(search_section("percentile", percentile=10.0))
    many = run(search_section("percentile", percentile=90.0))

    assert n_complete(few) < n_complete(many)


def n_complete(trials: list[optuna.trial.FrozenTrial]) -> int:
    return sum(trial.state == TrialState.COMPLETE for trial in trials)


def test_an_unknown_pruner_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TunerError, match=r"No pruner named 'asah'. Did you mean 'asha'\? Known pruners: asha, hyper"):
        make_pruner(search_section("asah"))


def test_every_pruner_says_in_a_line_what_it_is_for() -> None:
    assert all((make.__doc__ or "").strip() for make in PRUNERS.values())
