"""Whether the finals rank configurations as the search did: each one's score in the search against its later ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import plotly.graph_objects as go
from scipy.stats import rankdata

from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GAP_ACROSS, ORANGE, figure, nines, score_axis
from tuner.report.wording import percent
from tuner.studies.records.study import StudyRecord

#: A correlation of two configurations is 1 or -1 whatever they are.
_FEWEST = 3


@dataclass(frozen=True, kw_only=True)
class LaterScores:
    """A configuration's score in the search, and its later scores; None where it has none."""

    trial: int
    searched: float
    #: Mean score over its confirmations.
    confirmed: float | None
    #: Mean test accuracy over its retrained models.
    tested: float | None


def later_scores(study: StudyRecord) -> list[LaterScores]:
    """Return the configurations that were confirmed or tested, the best of the search first."""
    confirmed: dict[int, list[float]] = {}
    for one in study.confirmations:
        if one.score is not None:
            confirmed.setdefault(one.trial, []).append(one.score)
    tested = {final.trial: final.test_accuracy_mean for final in study.finals}
    rows = [
        LaterScores(
            trial=trial.number,
            searched=trial.score,
            confirmed=_mean(confirmed, trial.number),
            tested=tested.get(trial.number),
        )
        for trial in study.trials
        if trial.score is not None and (trial.number in confirmed or tested.get(trial.number) is not None)
    ]
    return sorted(rows, key=lambda row: (-study.objective.utility(row.searched), row.trial))


def _mean(values: Mapping[int, Sequence[float]], trial: int) -> float | None:
    return fmean(values[trial]) if trial in values else None


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return Spearman's rank correlation, equal values sharing their ranks.

    Returns:
        In [-1, 1]; None for fewer than three pairs, and where all values of one kind are equal.
    """
    if len(pairs) < _FEWEST:
        return None
    first, second = (rankdata([pair[side] for pair in pairs]) for side in (0, 1))
    spread = first.std() * second.std()
    return float(((first - first.mean()) * (second - second.mean())).mean() / spread) if spread else None


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show each confirmed configuration's later scores against that of the search; None before there are two."""
    rows = later_scores(study)
    if len(rows) < _FEWEST - 1:
        return None
    objective = study.objective
    # Of a score of which less is better, the sign makes 1 a full agreement again.
    sign = 1 if objective.direction == "maximize" else -1
    confirmed = [(row.searched, row.confirmed) for row in rows if row.confirmed is not None]
    tested = [(sign * row.searched, row.tested) for row in rows if row.tested is not None]
    parts = [
        _describe(pairs, name)
        for pairs, name in (
            (confirmed, f"the mean {objective.label} of its confirmations"),
            (tested, "the mean test accuracy of its retrained models"),
        )
        if pairs
    ]
    finding = f"Spearman's rank correlation of a configuration's score in the search with {'; with '.join(parts)}."
    plots = [
        Plot(figure=drawing, label=f"{name}. {finding}", height_px=300)
        for name, drawing in (
            ("Confirmations against the search", _drawing(study, rows, tested=False) if confirmed else None),
            ("Tests against the search", _drawing(study, rows, tested=True) if tested else None),
        )
        if drawing is not None
    ]
    return ReportFigure(
        key="agreement",
        title="Search against finals",
        finding=finding,
        plots=tuple(plots),
        table=_table(study, rows),
        wide=True,
    )


def _describe(pairs: Sequence[tuple[float, float]], name: str) -> str:
    correlation = spearman(pairs)
    if correlation is None:
        why = "too few" if len(pairs) < _FEWEST else "all equal"
        return f"{name}: not known, {why} (n = {len(pairs)})"
    return f"{name}: {correlation:.2f} (n = {len(pairs)})"


def _drawing(study: StudyRecord, rows: Sequence[LaterScores], *, tested: bool) -> go.Figure:
    objective = study.objective
    shown = [(row, value) for row in rows if (value := row.tested if tested else row.confirmed) is not None]
    searched, later = [row.searched for row, _ in shown], [value for _, value in shown]
    across = score_axis(objective, searched)
    up = nines(later) if tested else score_axis(objective, later)
    write = percent if tested else objective.format
    title = "test accuracy, mean" if tested else "confirmations, mean"
    dots = go.Scatter(
        x=[across.place(value) for value in searched],
        y=[up.place(value) for value in later],
        customdata=[f"trial {row.trial}: {objective.format(row.searched)} → {write(value)}" for row, value in shown],
        mode="markers",
        name=title,
        marker={"color": ORANGE if tested else BLUE, "size": 10},
        hovertemplate="%{customdata}<extra></extra>",
    )
    return figure(
        dots, xaxis=across.axis("score in the search", searched, least_gap=GAP_ACROSS), yaxis=up.axis(title, later)
    )


def _table(study: StudyRecord, rows: Sequence[LaterScores]) -> Table:
    objective = study.objective
    return Table(
        headers=("Trial", "Score in the search", "Confirmations, mean", "Test accuracy, mean"),
        rows=[
            (f"trial {row.trial}", objective.format(row.searched), objective.format(row.confirmed), percent(row.tested))
            for row in rows
        ],
    )
