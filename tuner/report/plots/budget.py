"""How many epochs the search trained, by the state of their trials, and how many pruning saved."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREEN, GREY, ORANGE, RAISED, SURFACE, figure
from tuner.report.wording import count, percent
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord


@dataclass(frozen=True, kw_only=True)
class EpochBudget:
    """Epochs trained by the trials of each state, and epochs that pruned trials did not train."""

    complete: int
    pruned: int
    failed: int
    running: int
    saved: int

    @property
    def trained(self) -> int:
        return self.complete + self.pruned + self.failed + self.running

    @property
    def saved_share(self) -> float:
        """Share of the epochs that the search without pruning would have trained, in [0, 1]."""
        return self.saved / (self.trained + self.saved) if self.saved else 0.0


def epoch_budget(trials: Sequence[TrialRecord], *, epochs: int) -> EpochBudget:
    """Count epochs.

    Args:
        trials: All trials of the search.
        epochs: What a trial trains when it is not pruned.
    """
    trained = dict.fromkeys(("complete", "pruned", "failed", "running"), 0)
    saved = 0
    for trial in trials:
        if trial.state in trained:
            trained[trial.state] += trial.n_epochs
        if trial.state == "pruned":
            saved += max(0, epochs - trial.n_epochs)
    return EpochBudget(**trained, saved=saved)


def epochs_of(study: StudyRecord) -> int:
    """Return the epochs of a full trial: as defined, or the most that any trial trained."""
    defined = study.definition.get("search", {}).get("epochs")
    if not defined:
        return max((trial.n_epochs for trial in study.trials), default=0)
    return int(defined) * int(study.definition.get("data", {}).get("folds") or 1)


def budget_figure(budget: EpochBudget) -> go.Figure:
    """Plot one bar, divided by the state of the trials."""
    parts = [
        ("in complete trials", budget.complete, BLUE, ""),
        ("in pruned trials", budget.pruned, GREY, ""),
        ("in failed trials", budget.failed, ORANGE, "x"),
        ("in running trials", budget.running, GREEN, "/"),
        ("saved by pruning", budget.saved, RAISED, "."),
    ]
    bars = [
        go.Bar(
            x=[epochs],
            y=[""],
            name=f"{name}: {epochs:,}",
            orientation="h",
            marker={
                "color": colour,
                "pattern": {
                    "shape": pattern,
                    "fgcolor": GREY if colour == RAISED else SURFACE,
                    "size": 6,
                    "fillmode": "overlay",
                },
            },
            hovertemplate=f"{epochs:,} epochs {name}<extra></extra>",
        )
        for name, epochs, colour, pattern in parts
        if epochs
    ]
    return figure(
        *bars,
        barmode="stack",
        bargap=0.1,
        xaxis={"title": {"text": "epochs"}},
        yaxis={"visible": False},
        legend={"traceorder": "normal"},
    )


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show what pruning saved; None before the first epoch."""
    budget = epoch_budget(study.trials, epochs=epochs_of(study))
    if not budget.trained:
        return None
    finding = f"{count(budget.trained, 'epoch')} trained. " + (
        f"Pruning saved {count(budget.saved, 'epoch')}: {percent(budget.saved_share, digits=0)} of what the same "
        "trials would have taken in full."
        if budget.saved
        else "Pruning saved none."
    )
    rows = [
        ("Trained in complete trials", f"{budget.complete:,}"),
        ("Trained in pruned trials", f"{budget.pruned:,}"),
        ("Trained in failed trials", f"{budget.failed:,}"),
        ("Trained in running trials", f"{budget.running:,}"),
        ("Saved by pruning", f"{budget.saved:,}"),
    ]
    return ReportFigure(
        key="epochs",
        title="Where the epochs went",
        finding=finding,
        plots=(Plot(figure=budget_figure(budget), label=f"Epochs by what became of them. {finding}", height_px=190),),
        table=Table(headers=("Epochs", "Number"), rows=rows),
    )
