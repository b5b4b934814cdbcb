"""The empirical distribution function of the scores: the share of trials that came to a score or to a worse one."""

import plotly.graph_objects as go

from tuner.objectives import Objective
from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.plots.history import scored
from tuner.report.theme import BLUE, GAP_ACROSS, figure, plain, score_axis
from tuner.report.thinning import evenly
from tuner.report.wording import count, percent
from tuner.studies.records.study import StudyRecord

#: Shares of the trials whose scores the table names.
_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
#: Fewer trials have no distribution; more steps than these are not seen.
_FEWEST, _POINTS = 5, 500


def distribution_figure(scores: list[float], objective: Objective) -> go.Figure:
    """Plot the share of trials up to each score; `scores` are from worst to best."""
    axis = score_axis(objective, scores)
    steps = [(0, scores[0]), *evenly(list(enumerate(scores, start=1)), _POINTS)]
    line = go.Scatter(
        x=[axis.place(score) for _, score in steps],
        y=[round(100 * place / len(scores), 2) for place, _ in steps],
        customdata=[objective.format(score) for _, score in steps],
        mode="lines",
        line={"shape": "hv", "color": BLUE, "width": 2},
        showlegend=False,
        hovertemplate="%{y:.0f} % of the trials: %{customdata} or worse<extra></extra>",
    )
    across = axis.axis(plain(objective.label), scores, least_gap=GAP_ACROSS)
    if objective.direction == "minimize":
        across["range"] = across["range"][::-1]
    up = {"title": {"text": "share of trials"}, "ticksuffix": "\u00a0%", "range": [0, 102]}
    return figure(line, xaxis=across, yaxis=up)


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show how many trials came how far; None before there are a few."""
    objective = study.objective
    scores = sorted((trial.score or 0.0 for trial in scored(study.trials)), key=objective.utility)
    if len(scores) < _FEWEST:
        return None
    half, tenth = (_at(scores, share) for share in (0.5, 0.9))
    finding = (
        f"Half of {count(len(scores), 'trial')} came to {objective.format(half)} or better, a tenth to "
        f"{objective.format(tenth)} or better. The steeper at its end, the more trials come close to the best."
    )
    return ReportFigure(
        key="distribution",
        title="Distribution of scores",
        finding=finding,
        plots=(Plot(figure=distribution_figure(scores, objective), label=f"Share of trials by score. {finding}"),),
        table=Table(
            headers=("Share of trials", "This score or worse"),
            rows=[(percent(share, digits=0), objective.format(_at(scores, share))) for share in _SHARES],
        ),
    )


def _at(scores: list[float], share: float) -> float:
    return scores[min(len(scores) - 1, int(share * len(scores)))]
