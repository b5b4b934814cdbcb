"""Finals of several objectives: the test accuracy of each retrained configuration against what its models cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from tuner.intervals import wilson_interval
from tuner.objectives import NO_VALUE, Cost
from tuner.report.figures import Plot, ReportFigure
from tuner.report.finals_results import FinalsResults, tested_runs
from tuner.report.markup import Table
from tuner.report.plots.front import cost_axis, place_cost
from tuner.report.theme import BLUE, ORANGE, figure, nines
from tuner.report.wording import count, interval, tested_accuracy
from tuner.studies.records.finals import FinalRecord
from tuner.studies.records.study import StudyRecord


@dataclass(frozen=True, kw_only=True)
class CostedFinal:
    """A configuration that was retrained and tested."""

    final: FinalRecord
    accuracy: float
    #: Wilson's 95 % interval over the test images; None where their number is unknown.
    wilson: tuple[float, float] | None
    #: The lowest and the highest test accuracy of its models; the same of each cost, by its name.
    seeds: tuple[float, float]
    measured: dict[str, tuple[float, float]]


def tested_finals(study: StudyRecord, results: FinalsResults) -> list[CostedFinal]:
    """Return the configurations that were tested, the best rank first."""
    found = []
    for final in sorted(study.finals, key=lambda final: final.rank):
        runs = [run for _, run in tested_runs(final)]
        accuracies = [run.test_accuracy for run in runs if run.test_accuracy is not None]
        if final.test_accuracy_mean is None or not accuracies:
            continue
        n_test, mean = results.n_test, final.test_accuracy_mean
        costs = {cost.name: [run.costs[cost.name] for run in runs if cost.name in run.costs] for cost in study.costs}
        found.append(
            CostedFinal(
                final=final,
                accuracy=mean,
                wilson=wilson_interval(round(mean * n_test), n_test) if n_test else None,
                seeds=(min(accuracies), max(accuracies)),
                measured={name: (min(values), max(values)) for name, values in costs.items() if values},
            )
        )
    return found


def report_figure(study: StudyRecord, results: FinalsResults) -> ReportFigure | None:
    """Show the tested configurations, one plot for each cost; None in a study of one objective, and before a test."""
    tested = tested_finals(study, results)
    if not study.costs or not tested:
        return None
    images = f" ({count(results.n_test, 'test image')})" if results.n_test else ""
    finding = " ".join(
        [
            f"{count(len(tested), 'configuration')} of the front, retrained; each model was tested once.",
            f"Thin bars: Wilson's 95\u00a0% interval{images} for the choice of test images.",
            "Thick bars: from the lowest to the highest of the models with different seeds;",
            "along the other axis the same for a latency, measured again for each model.",
            "The axis of accuracies stretches towards 100\u00a0%.",
        ]
    )
    plots = [
        Plot(
            figure=tested_figure(cost, [one for one in tested if cost.name in one.final.costs]),
            label=f"Test accuracy against {cost.label}. {finding}",
            height_px=380,
        )
        for cost in study.costs
    ]
    return ReportFigure(
        key="tested-front",
        title="Test accuracy against cost",
        finding=finding,
        plots=tuple(plots),
        table=_table(study, tested),
        wide=True,
    )


def tested_figure(cost: Cost, tested: Sequence[CostedFinal]) -> go.Figure:
    """Plot test accuracy against one cost, with both intervals of each configuration."""
    ends = [end for one in tested for end in (*(one.wilson or ()), *one.seeds, one.accuracy)]
    axis = nines(ends)

    def bars(spans: Sequence[tuple[float, float]], *, thick: bool) -> dict[str, object]:
        places = [axis.place(one.accuracy) or 0.0 for one in tested]
        return {
            "symmetric": False,
            "array": [(axis.place(high) or 0.0) - place for place, (_, high) in zip(places, spans, strict=True)],
            "arrayminus": [place - (axis.place(low) or 0.0) for place, (low, _) in zip(places, spans, strict=True)],
            "color": ORANGE if thick else BLUE,
            "thickness": 5 if thick else 1.5,
            "width": 0 if thick else 6,
        }

    costs = [place_cost(cost, one.final.costs[cost.name]) for one in tested]
    spans = [one.measured.get(cost.name, (one.final.costs[cost.name],) * 2) for one in tested]
    across = {
        "symmetric": False,
        "array": [place_cost(cost, high) - mean for mean, (_, high) in zip(costs, spans, strict=True)],
        "arrayminus": [mean - place_cost(cost, low) for mean, (low, _) in zip(costs, spans, strict=True)],
        "color": ORANGE,
        "thickness": 5,
        "width": 0,
    }
    shared = {"x": costs, "y": [axis.place(one.accuracy) for one in tested], "hoverinfo": "skip", "mode": "markers"}
    wilson = [one.wilson or (one.accuracy, one.accuracy) for one in tested]
    marks = go.Scatter(
        x=costs,
        y=shared["y"],
        customdata=[_hover(cost, one) for one in tested],
        mode="markers",
        name="mean of a configuration's models",
        marker={"color": BLUE, "size": 10},
        hovertemplate="%{customdata}<extra></extra>",
    )
    invisible = {"color": BLUE, "size": 1}
    return figure(
        go.Scatter(
            **shared, name="95 % interval", marker=invisible, error_y=bars(wilson, thick=False), showlegend=False
        ),
        go.Scatter(
            **shared,
            name="models",
            marker=invisible,
            error_y=bars([one.seeds for one in tested], thick=True),
            error_x=across,
            showlegend=False,
        ),
        marks,
        xaxis=cost_axis(cost, [end for span in spans for end in span]),
        yaxis=axis.axis("test accuracy", ends),
    )


def _hover(cost: Cost, one: CostedFinal) -> str:
    return (
        f"rank {one.final.rank}, trial {one.final.trial}<br>{tested_accuracy(one.final)} test<br>"
        f"{cost.label} {cost.format(one.final.costs[cost.name])}"
    )


def _table(study: StudyRecord, tested: Sequence[CostedFinal]) -> Table:
    headers = ("Rank", "Trial", "Test, mean ± sd", "95\u00a0% interval", *(cost.title for cost in study.costs))
    rows = [
        (
            str(one.final.rank),
            str(one.final.trial),
            tested_accuracy(one.final),
            interval(*one.wilson) if one.wilson else NO_VALUE,
            *(_write_cost(cost, one) for cost in study.costs),
        )
        for one in tested
    ]
    return Table(headers=headers, rows=rows)


def _write_cost(cost: Cost, one: CostedFinal) -> str:
    low, high = one.measured.get(cost.name, (None, None))
    mean = cost.format(one.final.costs.get(cost.name))
    return mean if low == high else f"{mean} ({cost.format(low)} to {cost.format(high)})"
