"""Progress in a notebook: one display that is replaced about once a second, with a plot of the best score so far.

It is plain HTML through IPython's own display, which is in every notebook: neither widgets nor a front end's extension
is needed, and a saved notebook keeps the last state.
"""

import html
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tuner.objectives import Objective
from tuner.python.builders import tell_cells
from tuner.python.shell import find_shell
from tuner.report.wording import STATE_WORDS, duration, plain, write_best
from tuner.studies.database.errors import DatabaseAwayError
from tuner.studies.database.storage import Storage
from tuner.studies.fleet import read_workers
from tuner.studies.lifecycle import Study, StudyNotFoundError, find_studies
from tuner.studies.progress import StudyProgress, read_progress
from tuner.studies.records.reading import load_outline
from tuner.studies.records.study import StudyRecord
from tuner.summaries import summary_html

#: Seconds between two looks, and the shortest pause as a multiple of what the last one took.
_INTERVAL_S, _REST = 1.0, 9
#: Of the plot, in pixels, and the room around its line.
_WIDTH, _HEIGHT, _ROOM = 420, 110, 6
_FEWEST_POINTS = 2


def is_in_notebook() -> bool:
    """Say whether cells of a notebook run in this process; IPython in a terminal is none."""
    return hasattr(find_shell(), "kernel")


@contextmanager
def follow_in_notebook(storage: Storage, studies: Sequence[str], *, n_workers: int) -> Iterator[Callable[[], None]]:
    """Show the progress of one study while a pool's workers run; yields a function that must be called often."""
    (study,) = find_studies(storage, studies)
    shown = _Display(storage, study, n_workers=n_workers)
    shown.look()
    try:
        yield shown.update
    finally:
        shown.look()


class _Display:
    def __init__(self, storage: Storage, study: Study, *, n_workers: int) -> None:
        from IPython.display import HTML, display

        self._storage, self._study, self._n_workers = storage, study, n_workers
        self._wrap: Callable[[str], Any] = HTML
        self._handle = display(HTML(""), display_id=True)
        self._next_look = 0.0

    def update(self) -> None:
        """Show what is new, at most once a second, and using at most a tenth of the time."""
        started = time.monotonic()
        if started < self._next_look:
            return
        try:
            self.look()
        finally:
            ended = time.monotonic()
            self._next_look = max(started + _INTERVAL_S, ended + _REST * (ended - started))

    def look(self) -> None:
        """Show what the database has now; what was shown stays where it does not answer or the study is gone."""
        try:
            now = read_progress(self._storage, self._study)
            record = load_outline(self._storage, self._study.name)
            workers = read_workers(self._storage)
        except (DatabaseAwayError, StudyNotFoundError):
            return
        working = [one for one in workers if one.study == self._study.name and one.stage]
        problems = [one.problem for one in workers if one.problem]
        doing = f"{len(working)} of {self._n_workers} training" if now.state in {"searching", "finals"} else None
        self._handle.update(self._wrap(draw_progress(now, record, workers=doing, problems=problems)))


def draw_progress(now: StudyProgress, record: StudyRecord, *, workers: str | None, problems: Sequence[str] = ()) -> str:
    """Return the progress of a study as HTML: counts, time left, failures, and the best score so far as a plot."""
    objective = record.objective
    failure = next(iter(record.failures[-1:]), None)
    rows: dict[str, object] = {
        "state": STATE_WORDS[now.state] + (f": {tell_cells(now.stop_reason, record.space)}" if now.stop_reason else ""),
        "trials": f"{now.finished} of {now.budget}, {now.pruned} pruned, {now.failed} failed",
        "finals": f"{now.finals_done} of {now.finals_planned}" if now.finals_planned else None,
        "best so far": plain(write_best(now.best_score, objective, front=now.front)),
        "time left": plain(duration(now.total_time_left_s)) if now.total_time_left_s else None,
        "workers": workers,
        "last failure": f"{failure[0]}: {tell_cells(failure[1].message, record.space)}" if failure else None,
        "problem": "; ".join(dict.fromkeys(problems)) or None,
    }
    return summary_html(f"Study {now.name}", rows, below=draw_best_so_far(record, objective))


def draw_best_so_far(record: StudyRecord, objective: Objective) -> str:
    """Return a small plot of the scores and of the best so far by trial, as SVG; empty with fewer than two scores."""
    found = [(trial.number, trial.score) for trial in record.trials_in("complete", "pruned")]
    scored = [(number, score) for number, score in found if score is not None and math.isfinite(score)]
    if len(scored) < _FEWEST_POINTS:
        return ""
    scores = [score for _, score in scored]
    low, high = min(scores), max(scores)
    last = max(scored[-1][0], 1)

    def place(number: int, score: float) -> tuple[float, float]:
        up = (score - low) / (high - low) if high > low else 0.5
        return (
            round(_ROOM + number / last * (_WIDTH - 2 * _ROOM), 1),
            round(_HEIGHT - _ROOM - up * (_HEIGHT - 2 * _ROOM), 1),
        )

    best, steps = scores[0], []
    for number, score in scored:
        steps.append(place(number, best))
        best = max(best, score, key=objective.utility)
        steps.append(place(number, best))
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="2.5" fill="currentColor" opacity="0.45"/>'
        for x, y in (place(number, score) for number, score in scored)
    )
    line = " ".join(f"{x},{y}" for x, y in steps)
    ends = " to ".join(plain(objective.format(end)) for end in (low, high))
    label = html.escape(f"{len(scored)} scores from {ends}, by trial; the line is the best so far")
    return (
        f'<svg role="img" aria-label="{label}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}">{dots}'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="2"/></svg>'
        f'<div style="opacity:0.75">{label}</div>'
    )
