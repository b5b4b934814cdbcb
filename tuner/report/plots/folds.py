"""Cross-validation: the score of each fold of the best trials, their mean and spread, and the best trial's curves."""

from collections.abc import Sequence

import plotly.graph_objects as go

from tuner.epochs import Epoch
from tuner.objectives import Objective
from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.plots.history import scored
from tuner.report.theme import BLUE, GREY, INK, ORANGE, figure, score_axis, whole_axis
from tuner.report.wording import count, score_spread
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord

#: Trials that are drawn: the best ones.
MOST_SHOWN = 12


def best_by_folds(trials: Sequence[TrialRecord], objective: Objective) -> list[TrialRecord]:
    """Return the trials that are drawn, the best first: those with most folds, as other means do not compare."""
    having = [trial for trial in scored(trials) if trial.folds]
    order = sorted(having, key=lambda trial: (-len(trial.folds), -objective.utility(trial.score), trial.number))
    return order[:MOST_SHOWN]


def spread_ends(trial: TrialRecord, objective: Objective) -> tuple[float, float]:
    """Return the mean less and plus the standard deviation over folds, a fraction at most 1."""
    mean, sd = trial.score or 0.0, trial.score_sd or 0.0
    high = mean + sd
    return mean - sd, min(high, 1.0) if objective.written_as == "percent" else high


def folds_figure(trials: Sequence[TrialRecord], objective: Objective) -> go.Figure:
    """Plot each fold's score, and the mean with the standard deviation: one column a trial."""
    scores = [fold.score for trial in trials for fold in trial.folds]
    ends = [spread_ends(trial, objective) for trial in trials]
    axis = score_axis(objective, scores)
    names = [f"trial {trial.number}" for trial in trials]
    folds = go.Scatter(
        x=[name for name, trial in zip(names, trials, strict=True) for _ in trial.folds],
        y=[axis.place(score) for score in scores],
        customdata=[
            f"trial {trial.number}, fold {fold.number}: {objective.format(fold.score)}"
            for trial in trials
            for fold in trial.folds
        ],
        mode="markers",
        name="fold",
        marker={"color": BLUE, "size": 6, "opacity": 0.7},
        hovertemplate="%{customdata}<extra></extra>",
    )
    spreads = go.Scatter(
        # One trace of all bars, with gaps between them.
        x=[place for name in names for place in (name, name, None)],
        y=[place for low, high in ends for place in (axis.place(low), axis.place(high), None)],
        mode="lines",
        name="± standard deviation over folds",
        line={"color": INK, "width": 1.5},
        hoverinfo="skip",
    )
    means = go.Scatter(
        x=names,
        y=[axis.place(trial.score) for trial in trials],
        customdata=[f"trial {trial.number}: {_write_mean(trial, objective)}" for trial in trials],
        mode="markers",
        name="mean",
        marker={"color": INK, "symbol": "line-ew-open", "size": 14, "line": {"width": 2.5}},
        hovertemplate="%{customdata}<extra></extra>",
    )
    return figure(
        spreads,
        folds,
        means,
        xaxis={"type": "category"},
        yaxis=axis.axis(objective.label, scores + [end for pair in ends for end in pair]),
    )


def curves_figure(trial: TrialRecord, objective: Objective) -> go.Figure:
    """Plot the trial's score by epoch: one line a fold, and their mean."""
    lines = [(f"fold {fold.number}", _points(fold.curve, objective)) for fold in trial.folds]
    mean = _points(trial.curve, objective)
    shown = [score for _, points in lines for _, score in points]
    axis = score_axis(objective, shown)
    looks = [(name, points, GREY, 1.2) for name, points in lines] + [("mean of the folds", mean, ORANGE, 2.5)]
    return figure(
        *(
            go.Scatter(
                x=[epoch for epoch, _ in points],
                y=[axis.place(score) for _, score in points],
                customdata=[objective.format(score) for _, score in points],
                mode="lines",
                name="one fold" if colour == GREY else name,
                legendgroup=colour,
                showlegend=colour == ORANGE or name == "fold 1",
                line={"color": colour, "width": width},
                hovertemplate=f"{name}, epoch %{{x}}: %{{customdata}}<extra></extra>",
            )
            for name, points, colour, width in looks
        ),
        xaxis=whole_axis("epoch", max((epoch for epoch, _ in mean), default=1)),
        yaxis=axis.axis(objective.label, shown),
    )


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show how folds differ; None in a study without folds, and before its first fold."""
    objective = study.objective
    trials = best_by_folds(study.trials, objective)
    if not trials:
        return None
    best = trials[0]
    scores = [fold.score for fold in best.folds]
    finding = (
        f"Trial {best.number} has the best mean, {_write_mean(best, objective)} over {count(len(scores), 'fold')}, "
        f"from {objective.format(min(scores))} to {objective.format(max(scores))}. All trials have the "
        "same folds; a pruned one has only the first of them."
    )
    plots = [Plot(figure=folds_figure(trials, objective), label=f"{objective.title} of each fold. {finding}")]
    if len(best.curve) > 1:
        curves = curves_figure(best, objective)
        plots.append(Plot(figure=curves, label=f"{objective.title} of trial {best.number} by epoch, one line a fold."))
    n_folds = max(len(trial.folds) for trial in trials)
    rows = [
        (
            str(trial.number),
            trial.state,
            _write_mean(trial, objective),
            *(objective.format(fold.score) for fold in trial.folds),
            *[None] * (n_folds - len(trial.folds)),
        )
        for trial in trials
    ]
    return ReportFigure(
        key="folds",
        title="Folds",
        finding=finding,
        plots=tuple(plots),
        table=Table(
            headers=("Trial", "State", "Mean ± sd", *(f"Fold {number}" for number in range(1, n_folds + 1))), rows=rows
        ),
        wide=True,
    )


def _points(curve: Sequence[Epoch], objective: Objective) -> list[tuple[int, float]]:
    return [(epoch.epoch, score) for epoch in curve if (score := objective.of(epoch)) is not None]


def _write_mean(trial: TrialRecord, objective: Objective) -> str:
    return score_spread(trial.score, trial.score_sd, objective)
