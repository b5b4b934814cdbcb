"""Optimisation history: each trial's score, and the best so far."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from tuner.objectives import Objective
from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, INK, ORANGE, PRUNED_MARKER, Axis, figure, plain, score_axis, whole_axis
from tuner.report.thinning import drawn
from tuner.report.wording import DIRECTION_WORDS, count, score_title, settings
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord


def best_so_far(trials: Sequence[TrialRecord], objective: Objective) -> tuple[list[int], list[float]]:
    """Return the numbers of the complete and pruned trials that have a score, and the best score up to each.

    With folds: of those that have most folds, see `StudyRecord.best`.
    """
    numbers: list[int] = []
    best: list[float] = []
    for trial in sorted(_comparable(trials), key=lambda trial: trial.number):
        numbers.append(trial.number)
        best.append(max([*best[-1:], trial.score or 0.0], key=objective.utility))
    return numbers, best


def scored(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the complete and pruned trials that have a score."""
    return [trial for trial in trials if trial.state in ("complete", "pruned") and trial.score is not None]


def _comparable(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    most = max((len(trial.folds) for trial in scored(trials)), default=0)
    return [trial for trial in scored(trials) if len(trial.folds) == most]


def records_set(trials: Sequence[TrialRecord], objective: Objective) -> list[TrialRecord]:
    """Return the trials that set a new best score, by number."""
    steps: list[TrialRecord] = []
    for trial in sorted(_comparable(trials), key=lambda trial: trial.number):
        if not steps or objective.is_better(trial.score, steps[-1].score):
            steps.append(trial)
    return steps


def history_figure(trials: Sequence[TrialRecord], objective: Objective) -> go.Figure:
    """Plot the best score so far against the trial number, over the score of each trial."""
    numbers, best = best_so_far(trials, objective)
    axis = score_axis(objective, best + [trial.score or 0.0 for trial in scored(trials)])
    hidden = hidden_scores(trials, objective)
    settings_y = axis.axis(plain(objective.label), _scores_shown(trials, objective))
    beyond = set(hidden)
    looks: dict[str, dict[str, Any]] = {
        "complete": {"symbol": "circle", "color": BLUE, "size": 6, "opacity": 0.8},
        "pruned": PRUNED_MARKER,
    }
    traces = []
    for state, marker in looks.items():
        chosen = [trial for trial in scored(trials) if trial.state == state and trial.score not in beyond]
        traces.append(
            go.Scatter(
                x=[trial.number for trial in chosen],
                y=[axis.place(trial.score) for trial in chosen],
                customdata=[objective.format(trial.score) for trial in chosen],
                mode="markers",
                name=state,
                marker=marker,
                hovertemplate="trial %{x}: %{customdata}<extra></extra>",
            )
        )
    line = go.Scatter(
        x=numbers,
        y=[axis.place(score) for score in best],
        customdata=[objective.format(score) for score in best],
        mode="lines",
        name="best so far",
        line={"shape": "hv", "color": INK, "width": 2},
        hovertemplate="best up to trial %{x}: %{customdata}<extra></extra>",
    )
    outside = [trial for trial in scored(trials) if trial.score in beyond]
    if outside:
        traces.append(mark_beyond([trial.number for trial in outside], outside, settings_y, objective))
    return figure(
        *traces,
        line,
        xaxis=whole_axis("trial", max(numbers)),
        yaxis=settings_y,
    )


def mark_beyond(x: Sequence[float], trials: Sequence[TrialRecord], axis: Axis, objective: Objective) -> go.Scatter:
    """Return triangles at the edge of a plot, towards the trials that lie beyond it.

    Args:
        x: The trials' places on the other axis.
        trials: Each too bad for the plot.
        axis: Settings of the axis of scores.
        objective: Of the scores.
    """
    upwards = objective.direction == "minimize"
    return go.Scatter(
        x=x,
        y=[axis["range"][1 if upwards else 0]] * len(trials),
        customdata=[f"trial {trial.number}, {trial.state}: {objective.format(trial.score)}" for trial in trials],
        mode="markers",
        name="beyond the plot",
        cliponaxis=False,
        marker={"symbol": f"triangle-{'up' if upwards else 'down'}", "color": ORANGE, "size": 8, "opacity": 0.8},
        hovertemplate="%{customdata}<extra></extra>",
    )


def hidden_scores(trials: Sequence[TrialRecord], objective: Objective) -> list[float]:
    """Return the scores that lie beyond the plot, the worst first."""
    scores = [trial.score or 0.0 for trial in scored(trials)]
    return score_axis(objective, scores).hidden(scores, shown=_scores_shown(trials, objective))


def _scores_shown(trials: Sequence[TrialRecord], objective: Objective) -> list[float]:
    # A few early failures would otherwise squeeze all that matters into one end of the plot; more than the worst fifth
    # is what the search is about.
    _, best = best_so_far(trials, objective)
    scores = sorted((trial.score or 0.0 for trial in scored(trials)), key=objective.utility)
    slack = 0.2 * abs(best[0])
    worst = min(objective.utility(best[0]) - slack, objective.utility(scores[len(scores) // 5]))
    return [score for score in scores if objective.utility(score) >= worst] + best


def _tell_hidden(hidden: Sequence[float], objective: Objective) -> str:
    words = DIRECTION_WORDS[objective.direction]
    verb = "lies" if len(hidden) == 1 else "lie"
    return (
        f"{count(len(hidden), 'trial')} {verb} {words.beyond} the plot, {words.worse} to {objective.format(hidden[0])}"
    )


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show how the best score grew; None before the first score."""
    objective = study.objective
    steps = records_set(study.trials, objective)
    if not steps:
        return None
    last = steps[-1]
    n_later = len([trial for trial in scored(study.trials) if trial.number > last.number])
    surpass = DIRECTION_WORDS[objective.direction].surpass
    later = f"{count(n_later, 'later trial')} did not {surpass} it" if n_later else "no later trial has a score"
    hidden = hidden_scores(study.trials, objective)
    sentences = (
        f"The best validation score, {objective.format(last.score)}, came with trial {last.number}; {later}.",
        score_axis(objective, [last.score or 0.0]).note,
        f"{_tell_hidden(hidden, objective)}: the triangles at its edge." if hidden else "",
    )
    finding = " ".join(filter(None, sentences))
    rows = [(str(trial.number), objective.format(trial.score), settings(trial.hyperparameters)) for trial in steps]
    return ReportFigure(
        key="history",
        title="Optimisation history",
        finding=finding,
        plots=(
            Plot(
                figure=history_figure(drawn(study.trials, objective), objective),
                label=f"Score of each trial. {finding}",
            ),
        ),
        table=Table(headers=("New best: trial", score_title(objective), "Hyperparameters"), rows=rows),
    )
