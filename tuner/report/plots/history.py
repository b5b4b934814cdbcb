"""Optimisation history: each trial's score, and the best so far."""

from collections.abc import Sequence

import plotly.graph_objects as go

from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREY, INK, figure, nines, whole_axis
from tuner.report.thinning import drawn
from tuner.report.wording import count, percent, settings
from tuner.studies.records import StudyRecord, TrialRecord


def best_so_far(trials: Sequence[TrialRecord]) -> tuple[list[int], list[float]]:
    """Return the numbers of the complete and pruned trials that have a score, and the best score up to each."""
    numbers: list[int] = []
    best: list[float] = []
    for trial in sorted(scored(trials), key=lambda trial: trial.number):
        numbers.append(trial.number)
        best.append(max([trial.score or 0.0, *best[-1:]]))
    return numbers, best


def scored(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the complete and pruned trials that have a score."""
    return [trial for trial in trials if trial.state in ("complete", "pruned") and trial.score is not None]


def records_set(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that set a new best score, by number."""
    steps: list[TrialRecord] = []
    for trial in sorted(scored(trials), key=lambda trial: trial.number):
        if not steps or (trial.score or 0.0) > (steps[-1].score or 0.0):
            steps.append(trial)
    return steps


def history_figure(trials: Sequence[TrialRecord]) -> go.Figure:
    """Plot the best score so far against the trial number, over the score of each trial."""
    numbers, best = best_so_far(trials)
    axis = nines(best + [trial.score or 0.0 for trial in scored(trials)])
    looks = {"complete": ("circle", BLUE), "pruned": ("x-thin-open", GREY)}
    traces = []
    for state, (symbol, colour) in looks.items():
        chosen = [trial for trial in scored(trials) if trial.state == state]
        traces.append(
            go.Scatter(
                x=[trial.number for trial in chosen],
                y=[axis.place(trial.score) for trial in chosen],
                customdata=[percent(trial.score) for trial in chosen],
                mode="markers",
                name=state,
                marker={"symbol": symbol, "color": colour, "size": 6, "opacity": 0.8, "line": {"color": colour}},
                hovertemplate="trial %{x}: %{customdata}<extra></extra>",
            )
        )
    line = go.Scatter(
        x=numbers,
        y=[axis.place(score) for score in best],
        customdata=[percent(score) for score in best],
        mode="lines",
        name="best so far",
        line={"shape": "hv", "color": INK, "width": 2},
        hovertemplate="best up to trial %{x}: %{customdata}<extra></extra>",
    )
    below = {
        "text": f"\u2193 {_tell_hidden(trials)}" if hidden_scores(trials) else "",
        "xref": "paper",
        "yref": "paper",
        "x": 0.01,
        "y": 0.01,
        "showarrow": False,
    }
    return figure(
        *traces,
        line,
        annotations=[below] if hidden_scores(trials) else [],
        xaxis=whole_axis("trial", max(numbers)),
        yaxis=axis.axis("validation score", _scores_shown(trials)),
    )


def hidden_scores(trials: Sequence[TrialRecord]) -> list[float]:
    """Return the scores that lie below the plot, in ascending order."""
    scores = [trial.score or 0.0 for trial in scored(trials)]
    return nines(scores).hidden(scores, shown=_scores_shown(trials))


def _scores_shown(trials: Sequence[TrialRecord]) -> list[float]:
    # A few early failures would otherwise squeeze all that matters into the top of the plot; more than the lowest fifth
    # is what the search is about.
    _, best = best_so_far(trials)
    scores = sorted(trial.score or 0.0 for trial in scored(trials))
    lowest = min(min(best) * 0.8, scores[len(scores) // 5])
    return [score for score in scores if score >= lowest] + best


def _tell_hidden(trials: Sequence[TrialRecord]) -> str:
    hidden = hidden_scores(trials)
    verb = "lies" if len(hidden) == 1 else "lie"
    return f"{count(len(hidden), 'trial')} {verb} below the plot, down to {percent(hidden[0])}"


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show how the best score grew; None before the first score."""
    steps = records_set(study.trials)
    if not steps:
        return None
    last = steps[-1]
    n_later = len([trial for trial in scored(study.trials) if trial.number > last.number])
    later = f"{count(n_later, 'later trial')} did not exceed it" if n_later else "no later trial has a score"
    finding = (
        f"The best validation score, {percent(last.score)}, came with trial {last.number}; {later}. "
        "The axis stretches towards 100\u00a0%."
        + (f" {_tell_hidden(study.trials)}." if hidden_scores(study.trials) else "")
    )
    rows = [(str(trial.number), percent(trial.score), settings(trial.hyperparameters)) for trial in steps]
    return ReportFigure(
        key="history",
        title="Optimisation history",
        finding=finding,
        plots=(Plot(figure=history_figure(drawn(study.trials)), label=f"Score of each trial. {finding}"),),
        table=Table(headers=("New best: trial", "Validation score", "Hyperparameters"), rows=rows),
    )
