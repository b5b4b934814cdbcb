"""How a report shows the folds of trials."""

import dataclasses
from pathlib import Path

import pytest
from support.objectives import ACCURACY
from support.report_sample import sample_curve, sample_trial, searching_study

from tuner.artifacts import ArtifactStore
from tuner.report.note import write_note
from tuner.report.page import render_report
from tuner.report.plots.budget import epoch_budget, epochs_of
from tuner.report.plots.folds import best_by_folds, report_figure, spread_ends
from tuner.report.plots.history import best_so_far
from tuner.report.plots.intermediate import epoch_summaries
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import FoldRecord, TrialRecord


def folded(number: int, *scores: float, state: str = "complete") -> TrialRecord:
    """A trial whose folds have these scores, each of three epochs."""
    folds = tuple(
        FoldRecord(number=fold, score=score, best_epoch=3, curve=sample_curve(3, ceiling=score, seed=fold))
        for fold, score in enumerate(scores, start=1)
    )
    return dataclasses.replace(
        sample_trial(number),
        state=state,
        score=sum(scores) / len(scores),
        best_epoch=None,
        folds=folds,
        curve=folds[0].curve,
        failure=None,
    )


TRIALS = (folded(0, 0.97, 0.93, 0.95), folded(1, 0.99, state="pruned"), folded(2, 0.95, 0.96, 0.97))


@pytest.fixture
def study() -> StudyRecord:
    study = searching_study(n_trials=3)
    definition = {**study.definition, "data": {"folds": 3}, "search": {**study.definition["search"], "epochs": 3}}
    return dataclasses.replace(study, trials=TRIALS, definition=definition)


def test_a_mean_over_fewer_folds_is_never_the_best(study: StudyRecord) -> None:
    assert study.best is TRIALS[2]
    assert [trial.number for trial in best_by_folds(TRIALS, ACCURACY)] == [2, 0, 1]
    assert best_so_far(TRIALS, ACCURACY) == ([0, 2], pytest.approx([0.95, 0.96]))


def test_intermediate_values_are_the_means_over_the_folds_so_far() -> None:
    first, second, third = epoch_summaries(TRIALS, ACCURACY)

    assert (first.n_trials, first.n_pruned, first.best) == (3, 1, 0.99)
    assert (second.n_trials, second.best) == (2, pytest.approx(0.955))
    assert third.best == pytest.approx(0.96)


def test_epochs_of_all_folds_are_counted(study: StudyRecord) -> None:
    budget = epoch_budget(study.trials, epochs=epochs_of(study))

    assert (budget.complete, budget.pruned, budget.saved) == (18, 3, 6)


def test_the_figure_of_folds_has_the_best_first_with_mean_and_spread(study: StudyRecord) -> None:
    shown = report_figure(study)

    assert shown is not None
    assert "Trial 2 has the best mean, 96.00 ± 1.00 % over 3 folds, from 95.00 % to 97.00 %." in shown.finding.replace(
        "\u00a0", " "
    )
    assert [row[0] for row in shown.table.rows] == ["2", "0", "1"]
    assert shown.table.headers[3:] == ("Fold 1", "Fold 2", "Fold 3")
    assert len(shown.plots) == 2


def test_no_spread_reaches_beyond_a_whole() -> None:
    assert spread_ends(folded(0, 1.0, 0.9), ACCURACY) == (pytest.approx(0.95 - 0.1 / 2**0.5), 1.0)


def test_a_study_without_folds_has_no_such_figure() -> None:
    assert report_figure(searching_study(n_trials=3)) is None


def test_page_and_note_say_what_the_score_is(study: StudyRecord, tmp_path: Path) -> None:
    page = render_report([study], ArtifactStore(str(tmp_path))).replace("\u00a0", " ")
    note = write_note(study).replace("\u00a0", " ")

    assert "trial 2, mean of 3 folds" in page
    assert "up to 3 folds of 3 epochs (an intermediate value is the mean over the folds so far)" in note
    assert "**96.00 ± 1.00 %** validation accuracy over 3 folds" in note
    assert "None" not in note
