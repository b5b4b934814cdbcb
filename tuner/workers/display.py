"""What people see of running studies: a live table on a terminal, a line an event elsewhere; always on stderr."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuner.studies.fleet import FinishedSlot, StudyProgress, WorkerRecord, read_finished, read_progress, read_workers
from tuner.studies.lifecycle import find_studies
from tuner.studies.storage import Storage

#: Seconds between two looks at the database.
_INTERVAL_S = 1.0
_STATE_COLOURS = {"training": "green", "waiting": "yellow", "lost": "red"}


class Display:
    """Follows studies while they run; use it as a context manager and call `update` often."""

    def __init__(self, storage: Storage, names: Sequence[str]) -> None:
        self._storage = storage
        self._names = names
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._next_look = 0.0
        self._seen = {slot.id for study in find_studies(storage, names) for slot in read_finished(storage, study)}

    def update(self) -> None:
        """Show what is new, at most once a second."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _INTERVAL_S
        if self._live is not None:
            self._live.update(draw_fleet(self._storage, self._names), refresh=True)
        else:
            self._print_finished()

    def _print_finished(self) -> None:
        for study in find_studies(self._storage, self._names):
            fresh = [slot for slot in read_finished(self._storage, study) if slot.id not in self._seen]
            if not fresh:
                continue
            progress = read_progress(self._storage, study)
            for slot in fresh:
                self._seen.add(slot.id)
                sys.stderr.write(f"{study.name}: {_describe(slot)} · {_summarise(progress)}\n")

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._next_look = 0.0
        self.update()
        if self._live is not None:
            self._live.stop()


def draw_fleet(storage: Storage, names: Sequence[str] = ()) -> RenderableType:
    """Draw studies with their progress, and the workers with what each does."""
    progress = [read_progress(storage, study) for study in find_studies(storage, names)]
    workers = read_workers(storage)
    if not progress and not workers:
        return Text("No studies and no workers. Begin with `tuner study create --space cnn`.")
    return Group(_draw_studies(progress), "", _draw_workers(workers))


def _draw_studies(studies: Sequence[StudyProgress]) -> Table:
    table = Table("study", "state", "", "trials", "pruned", "failed", "best", "trials/h", "left", "finals", box=None)
    for now in studies:
        table.add_row(
            now.name,
            now.state,
            ProgressBar(total=max(now.budget, 1), completed=now.finished, width=20),
            f"{now.finished}/{now.budget}",
            str(now.pruned),
            Text(str(now.failed), style="red" if now.failed else ""),
            _percent(now.best_score),
            "-" if now.trials_per_hour is None else f"{now.trials_per_hour:.0f}",
            _duration(now.time_left_s),
            f"{now.finals_done}/{now.finals_planned}" if now.finals_planned else "-",
        )
    return table


def _draw_workers(workers: Sequence[WorkerRecord]) -> RenderableType:
    if not workers:
        return Text("No workers. Start some with `tuner workers`.")
    table = Table("worker", "device", "state", "study", "doing", "epoch", "seen", box=None)
    for worker in workers:
        doing = "" if worker.stage is None else _name_slot(worker.stage, worker.trial)
        table.add_row(
            f"{worker.host}:{worker.pid}",
            worker.device,
            Text(worker.state, style=_STATE_COLOURS.get(worker.state, "")),
            worker.study or "",
            doing,
            str(worker.epoch or "") if doing else "",
            f"{worker.last_seen_s:.0f} s ago",
        )
    return table


def _describe(slot: FinishedSlot) -> str:
    accuracy = slot.test_accuracy if slot.stage in {"retrain", "ensemble"} else slot.score
    kind = "test" if slot.stage in {"retrain", "ensemble"} else "validation"
    measured = "" if accuracy is None else f", {kind} accuracy {_percent(accuracy)}"
    failure = f", {slot.failure}" if slot.failure else ""
    return f"{_name_slot(slot.stage, slot.trial)} {slot.outcome} after {slot.epochs} epochs{measured}{failure}"


def _name_slot(stage: str, trial: int | None) -> str:
    if stage == "search":
        return "trial" if trial is None else f"trial {trial}"
    return stage if trial is None else f"{stage} trial {trial}"


def _summarise(now: StudyProgress) -> str:
    if now.finals_planned:
        return f"finals {now.finals_done}/{now.finals_planned}"
    left = "" if now.time_left_s is None else f", {_duration(now.time_left_s)} left"
    return f"{now.finished}/{now.budget} trials, {now.pruned} pruned, best {_percent(now.best_score)}{left}"


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f} %"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {round(seconds) % 60:02} s"  # noqa: PLR2004 - minutes an hour
