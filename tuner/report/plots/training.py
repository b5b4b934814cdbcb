"""Training curves of a final: loss, accuracy and learning rate by epoch, one line a repeat."""

import math
from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from tuner.epochs import Epoch
from tuner.objectives import NO_VALUE
from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREEN, ORANGE, Axis, figure, log_axis, nines, whole_axis
from tuner.report.wording import count, percent, setting
from tuner.studies.records.finals import FinalRecord, RetrainRecord
from tuner.studies.records.study import StudyRecord

Measure = Callable[[Epoch], float | None]


def measured(run: RetrainRecord, measure: Measure) -> list[tuple[int, float]]:
    """Return (epoch, value) where the value was measured and is finite; a diverged run has values that are not."""
    values = ((epoch.epoch, measure(epoch)) for epoch in run.curve)
    return [(epoch, value) for epoch, value in values if value is not None and math.isfinite(value)]


def loss_figure(runs: Sequence[RetrainRecord]) -> go.Figure:
    """Plot training and validation loss, on a logarithmic axis."""
    training: Measure = lambda epoch: epoch.loss  # noqa: E731 - one of two measures, named for the reader
    validation: Measure = lambda epoch: epoch.val_loss  # noqa: E731 - as above
    shown = [value for run in runs for measure in (training, validation) for _, value in measured(run, measure)]
    traces = _lines(runs, training, "training", BLUE, "solid")
    traces += _lines(runs, validation, "validation", ORANGE, "dash")
    return figure(*traces, xaxis=_epochs(runs), yaxis=log_axis("loss", shown))


def accuracy_figure(runs: Sequence[RetrainRecord]) -> go.Figure:
    """Plot training and validation accuracy."""
    training: Measure = lambda epoch: epoch.accuracy  # noqa: E731 - one of two measures, named for the reader
    validation: Measure = lambda epoch: epoch.val_accuracy  # noqa: E731 - as above
    shown = [value for run in runs for measure in (training, validation) for _, value in measured(run, measure)]
    axis = nines(shown)
    traces = _lines(runs, training, "training", BLUE, "solid", place=axis.place, text=percent)
    traces += _lines(runs, validation, "validation", ORANGE, "dash", place=axis.place, text=percent)
    return figure(*traces, xaxis=_epochs(runs), yaxis=axis.axis("accuracy", shown))


def learning_rate_figure(runs: Sequence[RetrainRecord]) -> go.Figure:
    """Plot the learning rate, on a logarithmic axis."""
    rate: Measure = lambda epoch: epoch.learning_rate or None  # noqa: E731 - used twice; a logarithm has no zero
    shown = [value for run in runs for _, value in measured(run, rate)]
    # An epoch is marked at its end; its rate applies to the time before.
    traces = _lines(runs, rate, "learning rate", GREEN, "solid", shape="vh")
    return figure(*traces, xaxis=_epochs(runs), yaxis=log_axis("learning rate", shown))


def _epochs(runs: Sequence[RetrainRecord]) -> Axis:
    return whole_axis("epoch", max(run.curve[-1].epoch for run in runs))


def _lines(
    runs: Sequence[RetrainRecord],
    measure: Measure,
    name: str,
    colour: str,
    dash: str,
    *,
    place: Callable[[float], float | None] = lambda value: value,
    text: Callable[[float], str] = setting,
    shape: str = "linear",
) -> list[go.Scatter]:
    drawn = [(run, points) for run in runs if (points := measured(run, measure))]
    return [
        go.Scatter(
            x=[epoch for epoch, _ in points],
            y=[place(value) for _, value in points],
            customdata=[f"{name}, seed {run.seed}: {text(value)}" for _, value in points],
            mode="lines" if len(points) > 1 else "markers",
            name=name,
            legendgroup=name,
            showlegend=index == 0,
            line={"color": colour, "dash": dash, "width": 1.8, "shape": shape},
            marker={"color": colour},
            opacity=0.85,
            hovertemplate="epoch %{x}<br>%{customdata}<extra></extra>",
        )
        for index, (run, points) in enumerate(drawn)
    ]


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show how the winner trained, or the final of best rank where there is no winner; None before its first epoch."""
    final = _shown_final(study)
    return None if final is None else _of_final(final, key="training", title=f"Training of final {final.rank}")


def other_report_figures(study: StudyRecord) -> list[ReportFigure]:
    """Show how the other finals trained, those that have begun, by rank."""
    others = [final for final in sorted(study.finals, key=lambda one: one.rank) if final is not _shown_final(study)]
    figures = [
        _of_final(final, key=f"training-{final.rank}", title=f"Training of final {final.rank}") for final in others
    ]
    return [figure for figure in figures if figure is not None]


def _shown_final(study: StudyRecord) -> FinalRecord | None:
    return study.winner or min(study.finals, key=lambda one: one.rank, default=None)


def unaugmented_report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show how the same configuration trained without augmentation; None where it has not."""
    final = study.without_augmentation
    if final is None:
        return None
    return _of_final(final, key="training-plain", title=f"The same without augmentation (trial {final.trial})")


def _of_final(final: FinalRecord, *, key: str, title: str) -> ReportFigure | None:
    runs = [run for run in final.all_runs if run.curve]
    if not runs:
        return None
    finding = _finding(final)
    drawings = [("Loss", loss_figure(runs)), ("Accuracy", accuracy_figure(runs))]
    if any(epoch.learning_rate for run in runs for epoch in run.curve):
        drawings.append(("Learning rate", learning_rate_figure(runs)))
    plots = [Plot(figure=drawing, label=f"{name} by epoch. {finding}", height_px=290) for name, drawing in drawings]
    return ReportFigure(key=key, title=title, finding=finding, plots=tuple(plots), table=_table(final, runs), wide=True)


def _finding(final: FinalRecord) -> str:
    runs = [run for run in final.runs if run.curve]
    extra = _describe_curve_run(final)
    if not runs:
        return extra
    last = [run.curve[-1] for run in runs]
    training = [value for run in runs for _, value in measured(run, lambda epoch: epoch.accuracy)[-1:]]
    validation = [value for run in runs for _, value in measured(run, lambda epoch: epoch.val_accuracy)[-1:]]
    ends = f"training accuracy {_range(training)}" if training else "no training accuracy"
    if validation:
        ends += f", validation accuracy {_range(validation)}"
    else:
        why = "the validation images were trained on too"
        ends += f"; {why}" if extra else f"; no validation curve, {why} (finals.validation_curves)"
    longest = max(epoch.epoch for epoch in last)
    return f"{count(len(runs), 'repeat')} up to epoch {longest}; at the last epoch {ends}.{extra and ' '}{extra}"


def _describe_curve_run(final: FinalRecord) -> str:
    """Say what the training for the curve is and where it ended; nothing without one."""
    run = final.curve_run
    if run is None or not run.curve:
        return ""
    last = run.curve[-1]
    reached = f": {percent(last.val_accuracy)} at its last epoch" if last.val_accuracy is not None else ""
    return (
        "The validation curve is of one more training with the first repeat's seed, which kept the validation images "
        f"out{reached}; it was not tested."
    )


def _range(values: Sequence[float]) -> str:
    low, high = percent(min(values)), percent(max(values))
    return low if low == high else f"{low} to {high}"


def _table(final: FinalRecord, runs: Sequence[RetrainRecord]) -> Table:
    rows = [
        (
            f"{'for the curve, ' if run is final.curve_run else ''}seed {run.seed}, epoch {epoch.epoch}",
            *(None if value is None else setting(value) for value in (epoch.loss, epoch.val_loss)),
            *(percent(value) for value in (epoch.accuracy, epoch.val_accuracy)),
            None if epoch.learning_rate is None else setting(epoch.learning_rate),
        )
        for run in runs
        for epoch in run.curve
    ]
    headers = (
        "Repeat and epoch",
        "Training loss",
        "Validation loss",
        "Training accuracy",
        "Validation accuracy",
        "Learning rate",
    )
    known = [place for place in range(len(headers)) if any(row[place] not in {None, NO_VALUE} for row in rows)]
    return Table(headers=[headers[place] for place in known], rows=[[row[place] for place in known] for row in rows])
