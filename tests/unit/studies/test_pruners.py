import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from support.objectives import ACCURACY, LOSS

from tuner.errors import TunerError
from tuner.objectives import Objective
from tuner.studies.pruners import PRUNERS, DecidedTrial, Peer, make_pruner
from tuner.studies.sections.search import SearchSection

EPOCHS = 9


def search_section(pruner: str, **pruning: Any) -> SearchSection:
    return SearchSection.model_validate(
        {"pruner": pruner, "epochs": EPOCHS, "pruning": {"startup_trials": 2, "patience": 1, **pruning}}
    )


@dataclass
class Trial:
    number: int
    scores: list[float]
    is_pruned: bool = False


def run(search: SearchSection, *, trials: int = 24) -> list[Trial]:
    """Run trials of different levels, the first the best; every other one loses a little with each epoch."""
    ended: list[Trial] = []
    for number in range(trials):
        level = 0.9 - 0.02 * (number * 7 % trials)
        sign = 1 if number % 2 == 0 else -1
        ended.append(train(search, number, [level + sign * 0.001 * epoch for epoch in range(1, EPOCHS + 1)], ended))
    return ended


def train(
    search: SearchSection,
    number: int,
    curve: Sequence[float],
    others: Sequence[Trial],
    objective: Objective = ACCURACY,
) -> Trial:
    pruner = make_pruner(
        search, objective, DecidedTrial(study_name="curves", trial_number=number, n_steps=search.epochs)
    )
    for epoch in range(1, EPOCHS + 1):
        peers = [
            Peer(number=other.number, score=other.scores[epoch - 1], is_complete=not other.is_pruned)
            for other in others
            if len(other.scores) >= epoch
        ]
        if pruner.decides_after(epoch) and pruner.prunes(curve[:epoch], peers):
            return Trial(number, list(curve[:epoch]), is_pruned=True)
    return Trial(number, list(curve))


def optunas(search: SearchSection) -> optuna.pruners.BasePruner:
    """Return the pruner of Optuna's that does what ours of that name must do."""
    settings = search.pruning
    halving = {"min_resource": settings.min_resource, "reduction_factor": settings.reduction_factor}
    gentle = {"n_startup_trials": settings.startup_trials, "n_warmup_steps": settings.warmup_epochs + 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return {
            "asha": lambda: optuna.pruners.SuccessiveHalvingPruner(**halving),
            "hyperband": lambda: optuna.pruners.HyperbandPruner(max_resource=search.epochs, **halving),
            "median": lambda: optuna.pruners.MedianPruner(**gentle),
            "percentile": lambda: optuna.pruners.PercentilePruner(settings.percentile, **gentle),
            "patient": lambda: optuna.pruners.PatientPruner(
                optuna.pruners.MedianPruner(**gentle), patience=settings.patience
            ),
            "none": optuna.pruners.NopPruner,
        }[search.pruner]()


@pytest.mark.parametrize("objective", [ACCURACY, LOSS], ids=lambda objective: objective.direction)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "settings", [{}, {"min_resource": 2, "reduction_factor": 2, "warmup_epochs": 2, "percentile": 60.0}]
)
@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_ends_the_trials_that_optunas_ends(
    name: str, settings: dict[str, Any], seed: int, objective: Objective
) -> None:
    search = search_section(name, **settings)
    # Rounded, so that there are ties.
    curves = np.sort(np.random.default_rng(seed).uniform(0.5, 1, (60, EPOCHS)), axis=1).round(2)
    curves[::2] = curves[::2, ::-1]
    study = optuna.create_study(direction=objective.direction, study_name="curves", pruner=optunas(search))
    ours: list[Trial] = []

    for number, curve in enumerate(curves.tolist()):
        ours.append(train(search, number, curve, ours, objective))
        trial = study.ask()
        is_pruned = False
        for epoch, score in enumerate(curve, start=1):
            trial.report(score, epoch)
            is_pruned = trial.should_prune()
            if is_pruned:
                break
        study.tell(trial, None if is_pruned else curve[-1], TrialState.PRUNED if is_pruned else TrialState.COMPLETE)

    assert [len(trial.scores) for trial in ours] == [trial.last_step for trial in study.trials]
    assert [trial.is_pruned for trial in ours] == [trial.state == TrialState.PRUNED for trial in study.trials]


@pytest.mark.parametrize("name", [name for name in PRUNERS if name != "none"])
def test_weak_trials_are_pruned_and_the_best_is_not(name: str) -> None:
    trials = run(search_section(name))

    assert sum(trial.is_pruned for trial in trials) >= 4
    assert not trials[0].is_pruned


def test_without_a_pruner_every_trial_reaches_its_last_epoch() -> None:
    trials = run(search_section("none"))

    assert [len(trial.scores) for trial in trials] == [EPOCHS] * len(trials)


def test_asha_decides_at_multiples_of_the_reduction_factor_alone() -> None:
    trials = run(search_section("asha", min_resource=2, reduction_factor=2))

    ends = {len(trial.scores) for trial in trials if trial.is_pruned}
    assert ends <= {2, 4, 8}
    assert 2 in ends


def test_no_trial_ends_in_its_warmup_epochs() -> None:
    trials = run(search_section("median", warmup_epochs=3))

    assert min(len(trial.scores) for trial in trials) == 4


def test_a_patient_pruner_spares_a_weak_trial_that_still_improves() -> None:
    trials = run(search_section("patient"))

    assert not any(trial.is_pruned for trial in trials[::2])


def test_a_larger_percentile_keeps_more_trials() -> None:
    few = run(search_section("percentile", percentile=10.0))
    many = run(search_section("percentile", percentile=90.0))

    assert n_complete(few) < n_complete(many)


def n_complete(trials: list[Trial]) -> int:
    return sum(not trial.is_pruned for trial in trials)


def test_an_unknown_pruner_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TunerError, match=r"No pruner named 'asah'. Did you mean 'asha'\? Known pruners: asha, hyper"):
        make_pruner(search_section("asah"), ACCURACY, DecidedTrial(study_name="s", trial_number=0, n_steps=9))


def test_every_pruner_says_in_a_line_what_it_is_for() -> None:
    assert all((make.__doc__ or "").strip() for make in PRUNERS.values())
