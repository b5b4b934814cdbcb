"""A report of a study whose objective is minimized: the best is the lowest, and what is far too high lies above."""

import dataclasses

import pytest
from support.objectives import LOSS
from support.report_sample import sample_trial, searching_study

from tuner.epochs import Epoch
from tuner.report.finals_results import FinalsResults
from tuner.report.headline import build_headline
from tuner.report.note import write_note
from tuner.report.plots import families, history, intermediate, parallel, slices
from tuner.report.plots.history import best_so_far, hidden_scores, records_set
from tuner.report.plots.intermediate import epoch_summaries
from tuner.report.plots.parallel import score_bands
from tuner.report.theme import score_axis
from tuner.report.thinning import MOST_DRAWN, drawn
from tuner.studies.records.shortfall import find_shortfall
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord

LOSSES = (0.6, 0.7, 0.4, 9.0, 0.5)


def trial(number: int, loss: float | None, *, units: int = 0) -> TrialRecord:
    curve = tuple(
        Epoch(epoch=epoch, loss=None, accuracy=None, val_loss=value, val_accuracy=0.1)
        for epoch, value in enumerate(() if loss is None else (2 * loss, loss), start=1)
    )
    values = {"units": units or number, "rate": 0.1 * number}
    return dataclasses.replace(
        sample_trial(number), state="complete", score=loss, best_epoch=2, hyperparameters=values, curve=curve
    )


TRIALS = [trial(number, loss) for number, loss in enumerate(LOSSES)]


@pytest.fixture
def study() -> StudyRecord:
    return dataclasses.replace(searching_study(n_trials=0), objective=LOSS, trials=tuple(TRIALS))


def test_the_best_trial_and_the_best_so_far_are_the_lowest(study: StudyRecord) -> None:
    assert study.best is not None
    assert study.best.number == 2
    assert best_so_far(TRIALS, LOSS) == ([0, 1, 2, 3, 4], [0.6, 0.6, 0.4, 0.4, 0.4])
    assert [one.number for one in records_set(TRIALS, LOSS)] == [0, 2]
    assert score_bands(TRIALS, LOSS)[0].trials[0].number == 2
    assert [summary.best for summary in epoch_summaries(TRIALS, LOSS)] == [0.8, 0.4]


def test_equal_trials_keep_their_order(study: StudyRecord) -> None:
    twice = dataclasses.replace(study, trials=(*study.trials, trial(5, 0.4)))

    assert twice.best is not None
    assert twice.best.number == 2
    assert len(records_set(twice.trials, LOSS)) == 2


def test_a_large_study_is_drawn_with_its_lowest_scores() -> None:
    trials = [trial(number, 1 + number % 1999, units=1) for number in range(3 * MOST_DRAWN)]
    trials[3001] = dataclasses.replace(trials[3001], score=0.5)

    shown = {one.number for one in drawn(trials, LOSS)}

    lowest = sorted(trials, key=lambda one: (one.score, one.number))[:900]
    assert shown >= {3001, *(one.number for one in lowest)}


def test_scores_that_are_far_too_high_lie_above_the_plot(study: StudyRecord) -> None:
    figure = history.report_figure(study)

    assert hidden_scores(TRIALS, LOSS) == [9.0]
    assert figure is not None
    assert figure.finding == (
        "The best validation score, 0.4, came with trial 2; 2\u00a0later trials did not go below it. "
        "1\u00a0trial lies above the plot, up to 9: the triangles at its edge."
    )
    assert figure.plots[0].figure.layout.yaxis.title.text == LOSS.label
    assert figure.table.headers[1] == LOSS.title
    (beyond,) = (trace for trace in figure.plots[0].figure.data if trace.name == "beyond the plot")
    low, high = figure.plots[0].figure.layout.yaxis.range
    assert (beyond.y, beyond.marker.symbol) == ((high,), "triangle-up")
    assert low < min(LOSSES)
    assert max(loss for loss in LOSSES if loss != 9) < high < 9


def test_every_figure_of_the_search_writes_scores_as_numbers(study: StudyRecord) -> None:
    found = [module.report_figure(study) for module in (history, intermediate, parallel, slices)]

    texts = [f"{figure.finding} {figure.table.rows} {figure.plots[0].figure.to_json()}" for figure in found if figure]
    assert len(texts) == 4
    assert not any("\u00a0%" in text for text in texts)
    assert '"text":"validation loss"' in texts[1]
    assert "down is better" in texts[3]


def test_studies_of_different_objectives_have_a_panel_each(study: StudyRecord) -> None:
    studies = [study, dataclasses.replace(study, name="other"), searching_study(name="accurate", n_trials=5)]

    results = FinalsResults(single=None, ensemble=None, problem=None)
    shown = families.report_figure([build_headline(one, results) for one in studies], key="k")

    assert [len(plot.figure.data[0].x) for plot in shown.plots] == [2, 1]
    assert [row[2] for row in shown.table.rows][:2] == ["0.4", "0.4"]


def test_sentences_name_the_objective(study: StudyRecord) -> None:
    without = dataclasses.replace(study, state="done", trials=(trial(0, None),))

    assert "trial 2, **0.4** validation loss after epoch 2" in write_note(study)
    assert "none of its 1 trials has a validation loss. Train with validation images, then" in str(
        find_shortfall(without)
    )


@pytest.mark.parametrize("scores", [[], [0.5], [0.0, 0.0], [0.2, 0.4]])
def test_an_axis_of_losses_holds_all_of_them(scores: list[float]) -> None:
    axis = score_axis(LOSS, scores).axis("loss", scores)

    low, high = axis["range"]
    assert low < high
    assert all(low < score < high for score in scores)
