"""Test accuracy of each retrained model, by rank, and of the ensemble, for Optuna Dashboard, which has no finals."""

from collections.abc import Sequence

import plotly.graph_objects as go

from tuner.report.theme import GREEN, ORANGE, figure, nines
from tuner.report.wording import percent
from tuner.studies.records.study import StudyRecord


def tested_repeats(study: StudyRecord) -> list[tuple[str, int, float]]:
    """Return final, seed and test accuracy of each retrained model that has been tested, the best rank first."""
    return [
        (f"rank {final.rank} (trial {final.trial})", run.seed, run.test_accuracy)
        for final in sorted(study.finals, key=lambda one: one.rank)
        for run in final.runs
        if run.test_accuracy is not None
    ]


def finals_figure(study: StudyRecord) -> go.Figure | None:
    """Plot every tested model as a dot; None before the first one."""
    repeats = tested_repeats(study)
    if not repeats:
        return None
    accuracies = [accuracy for _, _, accuracy in repeats]
    ensemble = [study.ensemble.test_accuracy] if study.ensemble else []
    axis = nines([*accuracies, *ensemble])
    dots = go.Scatter(
        x=[name for name, _, _ in repeats],
        y=[axis.place(accuracy) for accuracy in accuracies],
        customdata=[f"seed {seed}: {percent(accuracy)}" for _, seed, accuracy in repeats],
        mode="markers",
        name="one retrained model",
        marker={"color": ORANGE, "size": 10},
        hovertemplate="%{x}<br>%{customdata} test<extra></extra>",
    )
    traces = [dots]
    if study.ensemble:
        traces.append(_ensemble_line(repeats, axis.place(study.ensemble.test_accuracy), study.ensemble.test_accuracy))
    return figure(
        *traces,
        title={"text": "Finals: test accuracy"},
        margin={"l": 8, "r": 12, "t": 80, "b": 8},
        yaxis=axis.axis("test accuracy", [*accuracies, *ensemble]),
        xaxis={"type": "category"},
    )


def _ensemble_line(repeats: Sequence[tuple[str, int, float]], place: float | None, accuracy: float) -> go.Scatter:
    names = list(dict.fromkeys(name for name, _, _ in repeats))
    return go.Scatter(
        x=names,
        y=[place] * len(names),
        mode="lines+markers",
        name=f"ensemble, {percent(accuracy)}",
        line={"color": GREEN, "dash": "dash"},
        marker={"color": GREEN, "symbol": "diamond", "size": 9},
        hovertemplate=f"ensemble: {percent(accuracy)} test<extra></extra>",
    )
