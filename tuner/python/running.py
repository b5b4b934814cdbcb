"""Run a study in worker processes from a script or a notebook, as `tuner run` does."""

import sys
from typing import Literal

from tuner.artifacts import ArtifactStore
from tuner.cli.endings import describe_ending
from tuner.errors import TunerError
from tuner.python.builders import is_redefined, tell_cells
from tuner.python.notebook import follow_in_notebook, is_in_notebook
from tuner.settings import Settings
from tuner.spaces.handed_over import is_handed_over
from tuner.studies.database.storage import open_storage
from tuner.studies.lifecycle import Study, StudyStateError
from tuner.studies.records.reading import load_outline
from tuner.studies.records.shortfall import INCOMPLETE_LABEL, find_shortfall
from tuner.studies.records.study import StudyRecord
from tuner.workers.pool import run_pool
from tuner.workers.shares import MachinePlaces
from tuner.workers.work import Follow, Watch, Work

#: Exit status of a pool that SIGINT, or SIGTERM, has drained.
_INTERRUPTED, _TERMINATED = 130, 143


class RunFailedError(TunerError):
    """Workers failed, or the study's result is incomplete."""


class RunInterruptedError(KeyboardInterrupt):
    """Ctrl-C, or a notebook's stop button, has ended a run."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: the line above it says how to continue."""
        return ["KeyboardInterrupt"]


def run_study(study: Study, settings: Settings, *, workers: int | Literal["auto"], device: str) -> None:
    """Run search and finals, see `tuner.python.study.Study.run`.

    Raises:
        KeyboardInterrupt: It was interrupted.
        SystemExit: SIGTERM has asked this process to end.
        TunerError: The study is stopped, workers failed, or the result is incomplete.
    """
    space = study.definition.space
    if is_redefined(space):
        name = space.rpartition(":")[2]
        sys.stderr.write(
            f"Warning: {name} as it is defined here is not the one that study {study.name} was created with. The study "
            f"continues with its own; for this one, create another study: tuner.create_study({name}, …, name=…).\n"
        )
    if study.state == "stopped":
        reason = f" ({tell_cells(study.stop_reason, space)})" if study.stop_reason else ""
        raise StudyStateError(
            f"Study {study.name!r} is stopped{reason}. Continue it with study.resume(), then study.run()."
        )
    if study.state != "done":
        status = run_pool(
            settings,
            Work(studies=[study.name], until_done=True),
            MachinePlaces(n_workers=_parse(workers), device=device),
            watch=Watch(follow=_choose_follow(), again="study.run()"),
        )
        _raise_for(status, settings)
    with open_storage(settings.storage) as storage:
        record = load_outline(storage, study.name)
    if not is_in_notebook():
        for line in describe_ending(record, ArtifactStore(settings.artifacts)):
            # The last one names commands.
            if not line.startswith("Next: "):
                sys.stderr.write(f"{line}\n")
        sys.stderr.write("Next: study.best_model(), study.report(), study.trials_dataframe().\n")
    if record.state == "stopped" and record.stop_reason:
        raise RunFailedError(_describe_stop(record, space))
    if shortfall := find_shortfall(record):
        raise RunFailedError(f"{INCOMPLETE_LABEL} of study {study.name}: {tell_cells(shortfall, space)}")


def _describe_stop(record: StudyRecord, space: str) -> str:
    reason = tell_cells(record.stop_reason or "", space).rstrip(".")
    if is_handed_over(space.rpartition(":")[0]):
        advice = (
            "It keeps the builder that it was created with. To search with a corrected one, create another study: "
            f"tuner.create_study(…, name={f'{record.name}-2'!r})."
        )
    else:
        advice = "Fix the cause, then continue with study.resume() and study.run()."
    return f"Study {record.name!r} has stopped by itself: {reason}. {advice}"


def _choose_follow() -> Follow:
    if is_in_notebook():
        return follow_in_notebook
    from tuner.cli.progress import follow

    return follow


def _parse(workers: int | Literal["auto"]) -> int | None:
    if workers == "auto":
        return None
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise TunerError(f"run received workers={workers!r}. Expected 'auto' or a number of at least 1.")
    return workers


def _raise_for(status: int, settings: Settings) -> None:
    if status == _INTERRUPTED:
        # The next cell, or the rest of the script, counts on the study's end.
        raise RunInterruptedError
    if status == _TERMINATED:
        raise SystemExit(_TERMINATED)
    if status:
        raise RunFailedError(
            f"A worker failed with status {status}: the line above says why. Its log is in {settings.home / 'logs'}."
        )
