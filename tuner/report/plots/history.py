"""Optimisation history: each trial's score, and the best so far."""

from collections.abc import Sequence

import plotly.graph_objects as go

from tuner.objectives import Objective
from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREY, INK, figure, score_axis, whole_axis
from tuner.report.thinning import drawn
from tuner.report.wording import DIRECTION_WORDS, count, settings
from tuner.studies.records import StudyRecord, TrialRecord

#: Towards what lies beyond the plot.
_ARROWS = {"maximize": "\u2193", "minimize": "\u2191"}


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
    looks = {"complete": ("circle", BLUE), "pruned": ("x-thin-open", GREY)}
    traces = []
    for state, (symbol, colour) in looks.items():
        chosen = [trial for trial in scored(trials) if trial.state == state]
        traces.append(
            go.Scatter(
                x=[trial.number for trial in chosen],
                y=[axis.place(trial.score) for trial in chosen],
                customdata=[objective.format(trial.score) for trial in chosen],
                mode="markers",
                name=state,
                marker={"symbol": symbol, "color": colour, "size": 6, "opacity": 0.8, "line": {"color": colour}},
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
    beyond = {
        "text": f"{_ARROWS[objective.direction]} {_tell_hidden(hidden, objective)}" if hidden else "",
        "xref": "paper",
        "yref": "paper",
        "x": 0.01,
        "y": 0.01 if objective.direction == "maximize" else 0.99,
        "showarrow": False,
    }
    return figure(
        *traces,
        line,
        annotations=[beyond] if hidden else [],
        xaxis=whole_axis("trial", max(numbers)),
        yaxis=axis.axis("validation score", _scores_shown(trials, objective)),
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
        f"{_tell_hidden(hidden, objective)}." if hidden else "",
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
        table=Table(headers=("New best: trial", "Validation score", "Hyperparameters"), rows=rows),
    )
