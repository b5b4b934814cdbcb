"""What a study will train, how long that takes here, and what would make it shorter."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from tuner.cli.output import format_duration
from tuner.errors import TunerError

if TYPE_CHECKING:
    from tuner.jobs.preflight.process import PreflightProcess
    from tuner.settings import Settings
    from tuner.studies.definitions.definition import StudyDefinition
    from tuner.studies.lifecycle import Study

_log = logging.getLogger(__name__)

#: How many settings that shorten a study are named.
_MOST_NAMED = 2
#: Seconds below which nobody asks for less.
_SHORT_S = 60


def describe_expectation(study: "Study", *, n_workers: int | None) -> Iterator[str]:
    """Yield lines on what the study will train and how long this number of workers takes on this machine."""
    yield describe_budget(study)
    yield from describe_time(study, n_workers=n_workers)


def describe_budget(study: "Study") -> str:
    """Return a line on what the study will train."""
    from tuner.studies.finals_plan import describe_plan

    return f"It will train {describe_plan(study.definition)}"


@contextmanager
def telling_time(
    process: "PreflightProcess", settings: "Settings", study: "Study", *, n_workers: int | None
) -> "Iterator[None]":
    """In the block, wait in a thread for the time that is measured, store it, and say on stderr how long that makes."""

    def tell() -> None:
        from tuner.studies.database.storage import open_storage
        from tuner.studies.expected_time import store_measured_time

        measured = process.measure_time()
        if measured is None:
            return
        try:
            with open_storage(settings.storage) as storage:
                timed = store_measured_time(storage, study, measured)
        except TunerError as error:
            # The workers meet it too, and say so where it matters.
            _log.debug("The measured time is not stored: %s", error)
            return
        for line in describe_time(timed, n_workers=n_workers):
            typer.echo(line, err=True)

    thread = threading.Thread(target=tell, name="measured-time", daemon=True)
    thread.start()
    try:
        yield
    finally:
        process.kill()
        thread.join(timeout=5)


def describe_time(study: "Study", *, n_workers: int | None) -> Iterator[str]:
    """Yield lines on how long the study takes.

    No time for workers elsewhere (None), and none without a measurement: with `--no-check`, or where there is a GPU.
    """
    from tuner.studies.expected_time import MeasuredTime, expect_time, expected_epochs
    from tuner.studies.finals_plan import plan_finals

    definition = study.definition
    plan = plan_finals(definition, n_candidates=definition.search.trials)
    most, likely = definition.search.trials * definition.epochs_of_trial, round(expected_epochs(definition))
    pruned = f" (about {likely:,} after pruning)" if likely < most else ""
    in_finals = plan.confirmations * plan.confirmation_epochs + plan.retrainings * plan.retraining_epochs
    epochs = f"{most:,} epochs of search{pruned}, {in_finals:,} of finals"
    if n_workers is None:
        yield f"That is {epochs}."
        return
    measured = MeasuredTime.read(study.provenance)
    if measured is None:
        yield f"That is {epochs}; how long they take was not measured."
        return
    n_workers = min(n_workers, definition.sharing.max_workers or n_workers)
    expected = expect_time(definition, measured, n_workers=n_workers)
    yield (
        f"That is {epochs}: about {format_duration(expected.total_s)} here with {n_workers} "
        f"worker{'s' * (n_workers > 1)} (search {format_duration(expected.search_s)}, finals "
        f"{format_duration(expected.finals_s)})."
    )
    if expected.total_s > _SHORT_S:
        savings = [
            (expected.total_s - expect_time(shorter, measured, n_workers=n_workers).total_s, setting)
            for setting, shorter in _shorter(definition)
        ]
        best = sorted(savings, reverse=True)[:_MOST_NAMED]
        named = [f"`--set {setting}` saves {format_duration(saved)}" for saved, setting in best if saved > 0]
        if named:
            yield f"Shorter: {', '.join(named)}."


def _shorter(definition: "StudyDefinition") -> "Iterator[tuple[str, StudyDefinition]]":
    """Yield settings, as `--set` takes them, that halve a part of the study, each with the definition that it makes."""
    search, finals = definition.search, definition.finals
    yield from _halved(definition, "search", {"trials": search.trials // 2, "epochs": search.epochs // 2})
    if finals.top:
        counts = {"epochs": finals.epochs // 2, "repeats": 1, "top": 1, "compare_augmentation": False}
        yield from _halved(definition, "finals", counts)


def _halved(
    definition: "StudyDefinition", table: str, values: Mapping[str, Any]
) -> "Iterator[tuple[str, StudyDefinition]]":
    section = getattr(definition, table)
    for key, value in values.items():
        # A boolean is switched off, a number stays at least 1.
        if value is False or value >= 1:
            changed = definition.model_copy(update={table: section.model_copy(update={key: value})})
            yield f"{table}.{key}={str(value).lower()}", changed
