"""Timeline: which worker ran which trial when."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import plotly.graph_objects as go

from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREEN, GREY, ORANGE, SURFACE, figure, plain
from tuner.report.thinning import evenly
from tuner.report.wording import count, duration, moment
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord
from tuner.studies.spans import covered_s

#: State → colour and pattern.
_LOOKS = {"complete": (BLUE, ""), "pruned": (GREY, ""), "failed": (ORANGE, "x"), "running": (GREEN, "/")}
#: Workers are named by UUIDs, written with dashes or without; their first block tells them apart.
_UUID, _BLOCK = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}"), 8
_ROW_PX, _TALLEST_PX = 26, 560


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One trial on its worker."""

    worker: str
    trial: int
    state: str
    started_at: datetime
    #: Of a running trial: the latest known time of the study.
    finished_at: datetime
    #: Whether other workers had the trial before; the time of the change is not recorded.
    moved: bool

    @property
    def duration_s(self) -> float:
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


def stretches(trials: Sequence[TrialRecord]) -> list[Stretch]:
    """Return the trials that a worker began, in order of their start, each on the last worker that had it."""
    times = [time for trial in trials for time in (trial.started_at, trial.finished_at) if time is not None]
    begun = [
        Stretch(
            worker=trial.workers[-1],
            trial=trial.number,
            state=trial.state,
            started_at=trial.started_at,
            finished_at=trial.finished_at or max(times),
            moved=len(set(trial.workers)) > 1,
        )
        for trial in trials
        if trial.started_at is not None and trial.workers and trial.state in _LOOKS
    ]
    return sorted(begun, key=lambda one: one.started_at)


@dataclass(frozen=True, kw_only=True)
class WorkerSummary:
    """The work of one worker."""

    worker: str
    trials: int
    busy_s: float
    first: datetime
    last: datetime


def worker_summaries(rows: Sequence[Stretch]) -> list[WorkerSummary]:
    """Return one row a worker, in order of their first start."""
    by_worker: dict[str, list[Stretch]] = {}
    for row in rows:
        by_worker.setdefault(row.worker, []).append(row)
    return [
        WorkerSummary(
            worker=worker,
            trials=len(own),
            busy_s=covered_s((row.started_at.timestamp(), row.finished_at.timestamp()) for row in own),
            first=min(row.started_at for row in own),
            last=max(row.finished_at for row in own),
        )
        for worker, own in by_worker.items()
    ]


def timeline_figure(rows: Sequence[Stretch], names: Mapping[str, str]) -> go.Figure:
    """Plot one bar a trial in its worker's row; `names` are of the workers that are known by one."""
    workers = [summary.worker for summary in worker_summaries(rows)]
    traces = []
    for state, (colour, pattern) in _LOOKS.items():
        chosen = [row for row in rows if row.state == state]
        if chosen:
            traces.append(
                go.Bar(
                    base=[f"{row.started_at:%Y-%m-%d %H:%M:%S.%f}" for row in chosen],
                    x=[1000 * row.duration_s for row in chosen],
                    y=[workers.index(row.worker) for row in chosen],
                    customdata=[f"trial {row.trial}, {state}, {duration(row.duration_s)}" for row in chosen],
                    orientation="h",
                    name=state,
                    marker={
                        "color": colour,
                        "line": {"color": SURFACE, "width": 1},
                        "pattern": {"shape": pattern, "fgcolor": SURFACE, "size": 5, "fillmode": "overlay"},
                    },
                    hovertemplate="%{customdata}<extra></extra>",
                )
            )
    rows_axis = {
        "tickvals": list(range(len(workers))),
        "ticktext": [plain(_name(worker, names)) for worker in workers],
    }
    return figure(
        *traces,
        barmode="overlay",
        xaxis={"type": "date", "title": {"text": "time (UTC)"}, "nticks": 6, "tickangle": 0},
        yaxis=rows_axis | {"range": [len(workers) - 0.4, -0.6], "showgrid": False},
    )


def _name(worker: str, names: Mapping[str, str]) -> str:
    """Return `host:pid` where it is known, otherwise the first block of the worker's id."""
    if worker in names:
        return names[worker]
    return worker[:_BLOCK] if _UUID.fullmatch(worker) else worker


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show the workers' trials over time; None before the first trial has begun."""
    rows = stretches(study.trials)
    if not rows:
        return None
    summaries = worker_summaries(rows)
    wall_s = (max(row.last for row in summaries) - min(row.first for row in summaries)).total_seconds()
    busy_s = sum(row.busy_s for row in summaries)
    n_moved = sum(row.moved for row in rows)
    moved = (
        f" {count(n_moved, 'trial')} changed workers and {'is' if n_moved == 1 else 'are'} drawn on the last."
        if n_moved
        else ""
    )
    share = f", busy {100 * busy_s / (wall_s * len(summaries)):.0f}\u00a0% of it" if wall_s else ""
    finding = f"{count(len(summaries), 'worker')} ran {count(len(rows), 'trial')} in {duration(wall_s)}{share}.{moved}"
    table_rows = [
        (
            _name(row.worker, study.worker_names),
            str(row.trials),
            duration(row.busy_s),
            moment(row.first),
            moment(row.last),
        )
        for row in summaries
    ]
    plot = Plot(
        figure=timeline_figure(evenly(rows), study.worker_names),
        label=f"Trials of each worker over time. {finding}",
        height_px=min(_TALLEST_PX, 130 + _ROW_PX * len(summaries)),
        # On a narrower plot the times on the axis overlap.
        min_width_px=520,
    )
    return ReportFigure(
        key="timeline",
        title="Timeline by worker",
        finding=finding,
        plots=(plot,),
        table=Table(headers=("Worker", "Trials", "Busy", "First start", "Last end"), rows=table_rows),
        wide=True,
    )
