"""Progress of running studies, on stderr: a live table on a terminal, one line for each event elsewhere."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuner.cli.output import format_duration, format_percent, format_score
from tuner.objectives import Measure, Objective, write_beside
from tuner.report.wording import plain, write_best
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.finals_plan import plan_finals
from tuner.studies.fleet import WorkerRecord, read_workers
from tuner.studies.lifecycle import Study, StudyNotFoundError, find_present, find_studies
from tuner.studies.progress import (
    FinishedSlot,
    StudyProgress,
    list_finished,
    read_all_progress,
    read_finished,
    read_progress,
)
from tuner.studies.records.parts import Part
from tuner.studies.sections.sharing import describe_unequal
from tuner.studies.slots.outcomes import values_beside

#: Seconds between two queries, and the shortest pause as a multiple of the last query's duration: counting a study of
#: thousands of trials is work for the database.
_INTERVAL_S, _REST = 1.0, 9
#: How often the counts are read again, at most, while slots end.
_TRIES = 3
#: Columns of a full progress bar.
_BAR_WIDTH = 14
_STATE_COLOURS = {"training": "green", "waiting": "yellow", "lost": "red"}


@contextmanager
def follow(storage: Storage, studies: Sequence[str], *, n_workers: int) -> Iterator[Callable[[], None]]:
    """Show the progress of studies while a pool's workers run; yields a function that must be called often."""
    with Display(storage, studies, n_workers=n_workers) as display:
        yield display.update


class Display:
    """Shows studies while a pool's workers run; a context manager whose `update` must be called often."""

    def __init__(self, storage: Storage, names: Sequence[str], *, n_workers: int) -> None:
        self._storage = storage
        self._names = names
        #: Number of workers that are starting.
        self._n_workers = n_workers
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._next_look = 0.0
        #: Studies, by their identity, whose finals were announced.
        self._told: set[str] = set()
        #: Problems of workers that were already printed.
        self._printed: set[str] = set()
        #: Slots that had ended before, or whose end was printed, each with the identity of its study; the best score of
        #: each study until then.
        self._seen: set[tuple[str, int]] = set()
        self._best: dict[str, float | None] = {}
        for study, progress, finished in self._read_ended(find_studies(storage, names)):
            self._note(study, progress, finished)

    def update(self) -> None:
        """Show what is new, at most once a second, and using at most a tenth of the time."""
        started = time.monotonic()
        if started < self._next_look:
            return
        try:
            self._look()
        finally:
            ended = time.monotonic()
            self._next_look = max(started + _INTERVAL_S, ended + _REST * (ended - started))

    def _look(self) -> None:
        if self._live is None:
            fresh = self._read_fresh()
            # The trials that ended the search come before the line that says so.
            self._print_finished(fresh, of_search=True)
            self._print_begun_finals()
            self._print_finished(fresh, of_search=False)
            self._print_problems()
            return
        self._print_begun_finals()
        workers = read_workers(self._storage)
        if workers:
            self._n_workers = 0
        shown = _draw_workers(workers) if workers else Text(_announce(self._n_workers)) if self._n_workers else ""
        self._live.update(Group(_draw_studies(read_all_progress(self._storage, self._names)), "", shown), refresh=True)

    def _print_begun_finals(self) -> None:
        """Say once of each study that its finals begin, what they are and how long they take."""
        for study in find_present(self._storage, self._names):
            if study.state != "finals" or study.uid in self._told:
                continue
            self._told.add(study.uid)
            with suppress(StudyNotFoundError):
                now = read_progress(self._storage, study)
                plan = plan_finals(study.definition, n_candidates=now.complete + now.pruned)
                best = plain(write_best(now.best_score, study.definition.objective, front=now.front))
                line = f"{study.name}: the search is over, best {best}"
                self._console.print(f"{line}. Next {plan}.", highlight=False, markup=False, soft_wrap=True)

    def _print_problems(self) -> None:
        for worker in read_workers(self._storage):
            if worker.problem and worker.problem not in self._printed:
                self._printed.add(worker.problem)
                sys.stderr.write(f"{_describe_problem(worker)}\n")

    def _read_fresh(self) -> list[tuple[Study, list[tuple[FinishedSlot, StudyProgress]]]]:
        """Return what has ended since the last look."""
        found = []
        for study, progress, finished in self._read_ended(find_present(self._storage, self._names)):
            ended = read_finished(self._storage, [one for one in finished if (study.uid, one) not in self._seen])
            lines = _at_each_end(progress, ended, study.definition, best=self._best.get(study.uid))
            found.append((study, lines))
            self._note(study, progress, finished)
        return found

    def _read_ended(self, studies: Iterable[Study]) -> Iterator[tuple[Study, StudyProgress, list[int]]]:
        """Yield studies of which slots have ended that were not printed, with their counts and all slots that have."""
        for study in studies:
            finished = list_finished(self._storage, study)
            if self._seen.issuperset((study.uid, slot_id) for slot_id in finished):
                continue
            with suppress(StudyNotFoundError):
                progress = read_progress(self._storage, study)
                # Another one may have ended meanwhile: counts and slots must be those of one moment.
                for _ in range(_TRIES):
                    before, finished = finished, list_finished(self._storage, study)
                    if before == finished:
                        break
                    progress = read_progress(self._storage, study)
                yield study, progress, finished

    def _note(self, study: Study, progress: StudyProgress, finished: Iterable[int]) -> None:
        self._seen.update((study.uid, slot_id) for slot_id in finished)
        self._best[study.uid] = progress.best_score

    def _print_finished(
        self, fresh: Sequence[tuple[Study, list[tuple[FinishedSlot, StudyProgress]]]], *, of_search: bool
    ) -> None:
        for study, ended in fresh:
            objective, others = study.definition.objective, study.definition.others
            for slot, now in ended:
                if (slot.part.stage == "search") != of_search:
                    continue
                summary = _summarise(now, objective, of_search=of_search)
                sys.stderr.write(f"{study.name}: {_describe(slot, objective, others)} · {summary}\n")

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        else:
            sys.stderr.write(f"{_announce(self._n_workers)}\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._next_look = 0.0
        self.update()
        if self._live is not None:
            self._live.stop()


def _announce(n_workers: int) -> str:
    return f"Starting {n_workers} worker{'s' * (n_workers != 1)} …"


def draw_fleet(storage: Storage, names: Sequence[str] = ()) -> RenderableType:
    """Draw studies with their progress, and workers with what each is doing."""
    progress = read_all_progress(storage, names)
    workers = read_workers(storage)
    if not progress and not workers:
        return Text("No studies and no workers. Begin with `tuner study create --space cnn`.")
    return Group(_draw_studies(progress), "", _draw_workers(workers))


def _draw_studies(studies: Sequence[tuple[Study, StudyProgress]]) -> Table:
    table = Table("study", "state", "trials", "best", "left", box=None)
    for study, now in studies:
        # Names fold at 80 columns; numbers do not, because a number that is cut looks like another number.
        share = describe_unequal(study.definition.sharing)
        table.add_row(
            Text.assemble(now.name, (f"\n{share}" if share else "", "dim"), overflow="fold"),
            f"finals {now.finals_done}/{now.finals_planned}" if now.state == "finals" else now.state,
            Group(_draw_bar(now), _draw_counts(now)),
            plain(write_best(now.best_score, study.definition.objective, front=now.front)),
            _time_left(now) or "-",
        )
    for column in table.columns[1:]:
        column.no_wrap = True
    return table


def _draw_bar(now: StudyProgress) -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_row(
        ProgressBar(total=max(now.budget, 1), completed=now.finished, width=_BAR_WIDTH), f"{now.finished}/{now.budget}"
    )
    return row


def _draw_counts(now: StudyProgress) -> Text:
    rate = "" if now.trials_per_hour is None else f", {now.trials_per_hour:.0f}/h"
    failed = Text(f"{now.failed} failed", style="red" if now.failed else "")
    return Text.assemble(f"{now.pruned} pruned, ", failed, rate)


def _draw_workers(workers: Sequence[WorkerRecord]) -> RenderableType:
    if not workers:
        return Text("No workers. Start some with `tuner workers`.")
    table = Table("worker", "device", "state", "doing", "seen", box=None)
    for worker in workers:
        table.add_row(
            Text(f"{worker.host}:{worker.pid}", overflow="fold"),
            worker.device,
            Text(worker.state, style=_STATE_COLOURS.get(worker.state, "")),
            Text(_describe_work(worker), overflow="fold"),
            f"{worker.last_seen_s:.0f} s ago",
        )
    for column in (*table.columns[1:3], table.columns[4]):
        column.no_wrap = True
    problems = [Text(_describe_problem(worker), style="red") for worker in workers if worker.problem]
    return Group(table, *problems)


def _describe_problem(worker: WorkerRecord) -> str:
    return f"{worker.host}:{worker.pid} works for other studies only: {worker.problem}"


def _describe_work(worker: WorkerRecord) -> str:
    if worker.stage is None:
        return ""
    epoch = f", epoch {worker.epoch}" if worker.epoch else ""
    if worker.fold:
        epoch = f", fold {worker.fold} of {worker.folds}, {worker.epoch or 0} epochs so far"
    part = Part(
        stage=worker.stage,
        trial=worker.trial,
        repeat=worker.repeat,
        augmented=worker.augmented,
        for_curve=worker.for_curve,
    )
    return f"{worker.study} {_name(part)}{epoch}"


def _describe(slot: FinishedSlot, objective: Objective, others: Sequence[Measure] = ()) -> str:
    measured = ""
    if slot.test_accuracy is not None:
        measured = f", test accuracy {format_percent(slot.test_accuracy)}"
    elif slot.score is not None:
        measured = f", {objective.label} {format_score(slot.score, objective)}"
        measured += plain(write_beside(others, values_beside(slot)))
    failure = f": {slot.failure.kind.replace('_', ' ')}: {slot.failure.message}" if slot.failure else ""
    separator = "" if slot.part.stage == "search" else ":"
    beyond = f": {slot.beyond}" if slot.beyond else ""
    return f"{_name(slot.part)}{separator} {slot.result}{_after(slot.epochs)}{measured}{failure}{plain(beyond)}"


def _after(epochs: int) -> str:
    if not epochs:
        # The ensemble trains nothing.
        return ""
    return f" after {epochs} epoch{'s' * (epochs > 1)}"


def _name(part: Part) -> str:
    # A trial has its number from the moment when it draws its first value.
    return "trial" if part.stage == "search" and part.trial is None else str(part)


def _at_each_end(
    now: StudyProgress, ended: Sequence[FinishedSlot], definition: StudyDefinition, *, best: float | None
) -> list[tuple[FinishedSlot, StudyProgress]]:
    """Return slots that have ended, each with the progress at its end.

    Args:
        now: The progress after all of them.
        ended: In the order in which they ended.
        definition: Of their study.
        best: The best score before them.
    """
    found = []
    for place, slot in enumerate(ended, start=1):
        later = Counter(one.result if one.part.stage == "search" else "final" for one in ended[place:])
        if slot.part.stage == "search" and (slot.result == "complete" or not definition.data.folds):
            best = definition.objective.best_of(score for score in (best, slot.score) if score is not None)
        then = replace(
            now,
            complete=now.complete - later["complete"],
            pruned=now.pruned - later["pruned"],
            failed=now.failed - later["failed"],
            finals_done=now.finals_done - later["final"],
            best_score=best if later else now.best_score,
        )
        found.append((slot, then))
    return found


def _summarise(now: StudyProgress, objective: Objective, *, of_search: bool) -> str:
    left = f", {time_left} left" if (time_left := _time_left(now)) else ""
    if not of_search:
        return f"finals {now.finals_done}/{now.finals_planned}{left}"
    best = plain(write_best(now.best_score, objective, front=now.front))
    return f"{now.finished}/{now.budget} trials, {now.pruned} pruned, best {best}{left}"


def _time_left(now: StudyProgress) -> str:
    seconds = now.total_time_left_s if now.state in {"searching", "finals"} else None
    return format_duration(seconds) if seconds else ""
