"""Scores of the search against those of the finals."""

import dataclasses
from pathlib import Path

import pytest
from scipy.stats import spearmanr
from support.report_sample import finished_study, searching_study

from tuner.artifacts import ArtifactStore
from tuner.report.page import render_report
from tuner.report.plots.agreement import later_scores, report_figure, spearman
from tuner.studies.records.finals import ConfirmationRecord
from tuner.studies.records.study import StudyRecord


@pytest.fixture
def study(tmp_path: Path) -> StudyRecord:
    study = finished_study(ArtifactStore(str(tmp_path)), n_trials=20, n_images=200)
    scored = sorted(study.trials_in("complete"), key=lambda one: -(one.score or 0))[:5]
    confirmations = [
        ConfirmationRecord(trial=one.number, repeat=repeat, seed=repeat, state="complete", score=score)
        for one, pair in zip(scored, [(0.98, 0.96), (0.99, 0.99), (0.95, 0.95), (0.9, 0.92), (0.5, 0.6)], strict=True)
        for repeat, score in enumerate(pair, start=1)
    ]
    failed = ConfirmationRecord(trial=scored[0].number, repeat=3, seed=3, state="failed", score=None)
    return dataclasses.replace(study, confirmations=(*confirmations, failed))


def test_the_report_tells_how_far_finals_rank_as_the_search_did(study: StudyRecord, tmp_path: Path) -> None:
    rows = later_scores(study)

    assert [row.confirmed for row in rows] == pytest.approx([0.97, 0.99, 0.95, 0.91, 0.55])
    assert [row.trial for row in rows][:3] == [final.trial for final in study.finals]
    assert [row.tested is None for row in rows] == [False, False, False, True, True]
    page = render_report([study], ArtifactStore(str(tmp_path)))
    assert "with the mean validation accuracy of its confirmations: 0.90 (n = 5)" in page
    assert "with the mean test accuracy of its retrained models: 1.00 (n = 3)" in page


@pytest.mark.parametrize("later", [[3.0, 1.0, 2.0, 5.0], [1.0, 1.0, 2.0, 0.0], [4.0, 3.0, 2.0, 1.0]])
def test_the_rank_correlation_is_spearmans(later: list[float]) -> None:
    pairs = list(zip([0.1, 0.2, 0.2, 0.4], later, strict=True))

    assert spearman(pairs) == pytest.approx(spearmanr(*zip(*pairs, strict=True)).statistic)


def test_two_configurations_and_equal_scores_have_no_correlation(study: StudyRecord) -> None:
    two = dataclasses.replace(study, finals=study.finals[:2], confirmations=())
    figure = report_figure(two)

    assert spearman([(1.0, 2.0), (2.0, 3.0)]) is None
    assert spearman([(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]) is None
    assert figure is not None
    assert "not known, too few (n = 2)" in figure.finding
    assert report_figure(searching_study(n_trials=5)) is None
