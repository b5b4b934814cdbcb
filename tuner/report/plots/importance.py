"""Parameter importance as bars."""

from collections.abc import Sequence

import plotly.graph_objects as go

from tuner.report.figures import Plot, ReportFigure
from tuner.report.forest_importance import MIN_TRIALS, Importance, is_large, measure_importance
from tuner.report.markup import Table
from tuner.report.plots.history import scored
from tuner.report.theme import BLUE, figure, plain
from tuner.report.wording import count, percent
from tuner.studies.records.study import StudyRecord

_SHOWN = 12
#: Below this share of variance explained, the order of the bars means nothing.
_TRUSTED_R_SQUARED = 0.1


def importance_figure(shares: Sequence[tuple[str, float]]) -> go.Figure:
    """Plot shares as horizontal bars, the largest on top."""
    bars = go.Bar(
        x=[share for _, share in shares],
        y=[plain(name) for name, _ in shares],
        text=[percent(share, digits=0) for _, share in shares],
        orientation="h",
        marker={"color": BLUE},
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    room = 1.18 * max(share for _, share in shares)
    return figure(
        bars,
        xaxis={"visible": False, "range": [0, room]},
        yaxis={"autorange": "reversed", "type": "category", "showgrid": False},
    )


def measure(study: StudyRecord) -> Importance | None:
    """Measure which hyperparameters matter; None where it cannot be measured."""
    return measure_importance(scored(study.trials))


def is_measured_apart(study: StudyRecord) -> bool:
    """Say whether another process measures it, because there are many trials."""
    return is_large(scored(study.trials))


def report_figure(importance: Importance | None) -> ReportFigure | None:
    """Show which hyperparameters matter, as `measure` has found; None where it could not be measured."""
    if importance is None or not importance.shares:
        return None
    shares = list(importance.shares.items())
    finding = f"{_verdict(importance, shares[0][0])} {_METHOD.format(n=count(importance.n_trials, 'trial'))}"
    return ReportFigure(
        key="importance",
        title="Parameter importance",
        finding=finding,
        plots=(
            Plot(
                figure=importance_figure(shares[:_SHOWN]),
                label=f"Importance of each hyperparameter. {finding}",
                height_px=70 + 30 * max(4, len(shares[:_SHOWN])),
            ),
        ),
        table=Table(
            headers=("Hyperparameter", "Share"), rows=[(name, percent(share, digits=1)) for name, share in shares]
        ),
    )


_METHOD = (
    "Method: permutation importance of a random forest on held-out trials, over the scores of {n} "
    "(complete or pruned), taken by rank."
)


def _verdict(importance: Importance, first: str) -> str:
    explained = percent(max(0.0, importance.r_squared), digits=0)
    if importance.r_squared < _TRUSTED_R_SQUARED:
        return f"The hyperparameters explain only {explained} of the differences in score: do not trust the order."
    return (
        f"{first} matters most. The hyperparameters explain {explained} of the differences in score; each bar is one "
        "hyperparameter's share of that, all bars together 100\u00a0%."
    )


def missing_reason(study: StudyRecord) -> str:
    """Say why no importance is shown."""
    n_trials = len(scored(study.trials))
    if n_trials < MIN_TRIALS:
        return f"Parameter importance needs at least {MIN_TRIALS} trials with a score; there are {n_trials}."
    return "Parameter importance cannot be measured: all trials have equal hyperparameters or equal scores."
