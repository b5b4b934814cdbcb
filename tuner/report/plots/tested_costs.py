"""Finals of several objectives: the test accuracy of each retrained configuration against each of the others."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

import plotly.graph_objects as go

from tuner.intervals import wilson_interval
from tuner.objectives import NO_VALUE, Cost, Measure, Objective
from tuner.report.figures import Plot, ReportFigure
from tuner.report.finals_results import FinalsResults, tested_runs
from tuner.report.markup import Table
from tuner.report.plots.front import axis_of
from tuner.report.theme import BLUE, ORANGE, figure, nines, plain
from tuner.report.wording import count, interval, tested_accuracy
from tuner.studies.records.finals import FinalRecord, RetrainRecord
from tuner.studies.records.study import StudyRecord


@dataclass(frozen=True, kw_only=True)
class TestedFinal:
    """A configuration that was retrained and tested."""

    final: FinalRecord
    accuracy: float
    #: Wilson's 95 % interval over the test images; None where their number is unknown.
    wilson: tuple[float, float] | None
    #: The lowest and the highest test accuracy of its models.
    seeds: tuple[float, float]
    #: What its models cost and what other objectives are on the test images, by name: the mean, and the two ends.
    others: dict[str, tuple[float, float, float]]


def _measured_across(study: StudyRecord) -> list[Measure]:
    """Return what test accuracies are drawn against; the leading objective where nothing else is left."""
    others = [other for other in study.others if not (isinstance(other, Objective) and other.is_accuracy)]
    return others or [study.objective]


def _values_of(
    runs: Sequence[RetrainRecord], measure: Measure, final: FinalRecord
) -> tuple[float, float, float] | None:
    if isinstance(measure, Cost):
        values = [run.costs.get(measure.name) for run in runs]
        # Those of the trial, where nothing was measured again.
        values = values if any(values) else [final.costs.get(measure.name)]
    elif isinstance(measure, Objective) and measure.is_beside:
        values = [run.test_others.get(measure.name) for run in runs]
    else:
        values = [run.test_score for run in runs]
    known = [value for value in values if value is not None]
    return (statistics.fmean(known), min(known), max(known)) if known else None


def tested_finals(study: StudyRecord, results: FinalsResults) -> list[TestedFinal]:
    """Return the configurations that were tested, the best rank first."""
    found = []
    for final in sorted(study.finals, key=lambda final: final.rank):
        runs = [run for _, run in tested_runs(final)]
        accuracies = [run.test_accuracy for run in runs if run.test_accuracy is not None]
        if final.test_accuracy_mean is None or not accuracies:
            continue
        n_test, mean = results.n_test, final.test_accuracy_mean
        values = {measure.name: _values_of(runs, measure, final) for measure in _measured_across(study)}
        found.append(
            TestedFinal(
                final=final,
                accuracy=mean,
                wilson=wilson_interval(round(mean * n_test), n_test) if n_test else None,
                seeds=(min(accuracies), max(accuracies)),
                others={name: ends for name, ends in values.items() if ends is not None},
            )
        )
    return found


def report_figure(study: StudyRecord, results: FinalsResults) -> ReportFigure | None:
    """Show the tested configurations, a plot for each of the others; None with one objective, and before a test."""
    tested = tested_finals(study, results)
    if not study.others or not tested:
        return None
    images = f" ({count(results.n_test, 'test image')})" if results.n_test else ""
    finding = " ".join(
        [
            f"{count(len(tested), 'configuration')} of the front, retrained; each model was tested once.",
            f"Thin bars: Wilson's 95\u00a0% interval{images} for the choice of test images.",
            "Thick bars: from the lowest to the highest of the models with different seeds;",
            "along the other axis the same for what is measured again for each model.",
            "The axis of accuracies stretches towards 100\u00a0%.",
        ]
    )
    plots = [
        Plot(
            figure=tested_figure(other, measured),
            label=f"Test accuracy against {_label(other)}. {finding}",
            height_px=380,
        )
        for other in _measured_across(study)
        if (measured := [one for one in tested if other.name in one.others])
    ]
    return ReportFigure(
        key="tested-front",
        title="Test accuracy against the other objectives",
        finding=finding,
        plots=tuple(plots),
        table=_table(study, tested),
        wide=True,
    )


#: Plotly's settings of error bars.
ErrorBars = dict[str, object]


def _label(measure: Measure) -> str:
    return f"test {measure.plain_label}" if isinstance(measure, Objective) else measure.label


def tested_figure(other: Measure, tested: Sequence[TestedFinal]) -> go.Figure:
    """Plot test accuracy against another measure, with both intervals of each configuration."""
    ends = [end for one in tested for end in (*(one.wilson or ()), *one.seeds, one.accuracy)]
    axis = nines(ends)
    spans = [one.others[other.name] for one in tested]
    along = axis_of(replace(other, label=_label(other)), [end for span in spans for end in span])
    means = [along.place(mean) or 0.0 for mean, _, _ in spans]
    heights = [axis.place(one.accuracy) or 0.0 for one in tested]
    across = _bars(means, [(along.place(low) or 0.0, along.place(high) or 0.0) for _, low, high in spans], thick=True)

    def upwards(intervals: Sequence[tuple[float, float]], *, thick: bool) -> ErrorBars:
        return _bars(
            heights, [(axis.place(low) or 0.0, axis.place(high) or 0.0) for low, high in intervals], thick=thick
        )

    shared = {"x": means, "y": heights, "hoverinfo": "skip", "mode": "markers"}
    wilson = [one.wilson or (one.accuracy, one.accuracy) for one in tested]
    marks = go.Scatter(
        x=means,
        y=shared["y"],
        customdata=[_hover(other, one) for one in tested],
        mode="markers",
        name="mean of a configuration's models",
        marker={"color": BLUE, "size": 10},
        hovertemplate="%{customdata}<extra></extra>",
    )
    invisible = {"color": BLUE, "size": 1}
    return figure(
        go.Scatter(
            **shared, name="95 % interval", marker=invisible, error_y=upwards(wilson, thick=False), showlegend=False
        ),
        go.Scatter(
            **shared,
            name="models",
            marker=invisible,
            error_y=upwards([one.seeds for one in tested], thick=True),
            error_x=across,
            showlegend=False,
        ),
        marks,
        xaxis=along.settings,
        yaxis=axis.axis("test accuracy", ends),
    )


def _bars(places: Sequence[float], ends: Sequence[tuple[float, float]], *, thick: bool) -> ErrorBars:
    """Return Plotly's error bars from each place on an axis to both of its ends there."""
    return {
        "symmetric": False,
        "array": [high - place for place, (_, high) in zip(places, ends, strict=True)],
        "arrayminus": [place - low for place, (low, _) in zip(places, ends, strict=True)],
        "color": ORANGE if thick else BLUE,
        "thickness": 5 if thick else 1.5,
        "width": 0 if thick else 6,
    }


def _hover(other: Measure, one: TestedFinal) -> str:
    return (
        f"rank {one.final.rank}, trial {one.final.trial}<br>{tested_accuracy(one.final)} test<br>"
        f"{plain(_label(other))} {other.format(one.others[other.name][0])}"
    )


def _table(study: StudyRecord, tested: Sequence[TestedFinal]) -> Table:
    others = _measured_across(study)
    titles = (_label(other)[0].upper() + _label(other)[1:] for other in others)
    headers = ("Rank", "Trial", "Test, mean ± sd", "95\u00a0% interval", *titles)
    rows = [
        (
            str(one.final.rank),
            str(one.final.trial),
            tested_accuracy(one.final),
            interval(*one.wilson) if one.wilson else NO_VALUE,
            *(_write(other, one) for other in others),
        )
        for one in tested
    ]
    return Table(headers=headers, rows=rows)


def _write(other: Measure, one: TestedFinal) -> str:
    if other.name not in one.others:
        return NO_VALUE
    mean, low, high = one.others[other.name]
    written = other.format(mean)
    return written if low == high else f"{written} ({other.format(low)} to {other.format(high)})"
