"""How studies have ended: the last lines of commands that work until studies are done, and their exit status."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from tuner.report.wording import count, describe_front, plain, score_spread, settings, test_score, tested_accuracy
from tuner.settings import Settings
from tuner.studies.records.ended_by import describe_ends

if TYPE_CHECKING:
    from tuner.artifacts import ArtifactStore
    from tuner.objectives import Objective
    from tuner.studies.records.finals import FinalRecord
    from tuner.studies.records.study import StudyRecord
    from tuner.studies.records.trial import TrialRecord
    from tuner.studies.states import TrialState

_ENDED = {"done", "stopped"}
_TRIAL_STATES: tuple["TrialState", ...] = ("complete", "pruned", "failed", "running", "waiting")
_JOB_STATES = ("complete", "failed", "running", "waiting")
_OVER = {"complete", "pruned", "failed"}


def names_to_watch(settings: Settings, names: Sequence[str], *, patience_s: float = 0.0) -> Sequence[str]:
    """Return the names given or, without any, those of all studies that have not ended yet."""
    from tuner.studies.database.storage import open_storage
    from tuner.studies.lifecycle import find_studies

    with open_storage(settings.storage, patience_s=patience_s) as storage:
        return names or [study.name for study in find_studies(storage, []) if study.state not in _ENDED]


def print_endings(settings: Settings, names: Sequence[str], *, patience_s: float = 0.0) -> None:
    """Print on stderr what these studies have found; exit with status 1 when a result is incomplete."""
    from tuner.artifacts import ArtifactStore
    from tuner.studies.database.storage import open_storage
    from tuner.studies.lifecycle import list_names
    from tuner.studies.records.reading import load_outline

    with open_storage(settings.storage, patience_s=patience_s) as storage:
        known = set(list_names(storage))
        # A study may have been deleted meanwhile.
        records = [load_outline(storage, name) for name in names if name in known]
    artifacts = ArtifactStore(settings.artifacts)
    for record in records:
        for line in describe_ending(record, artifacts):
            typer.echo(line, err=True)
    exit_if_incomplete(records)


def exit_if_incomplete(records: Sequence["StudyRecord"]) -> None:
    """Print what is missing from the result of each study; exit with status 1 if anything is."""
    from tuner.studies.records.shortfall import INCOMPLETE_LABEL, find_shortfall

    shortfalls = [(record.name, found) for record in records if (found := find_shortfall(record))]
    for name, shortfall in shortfalls:
        typer.echo(f"tuner: {INCOMPLETE_LABEL} of study {name}: {shortfall}", err=True)
    if shortfalls:
        raise typer.Exit(1)


def describe_ending(record: "StudyRecord", artifacts: "ArtifactStore") -> Iterator[str]:
    """Yield what a study has found and where that is, line by line; nothing for a study that has not ended."""
    if record.state not in _ENDED:
        return
    yield f"Study {record.name} is {record.state}: {count_parts(record)}."
    yield from describe_ends(record)
    if record.best is not None:
        yield f"Best of the search: {describe_best(record.best, record.objective)}."
    if front := describe_front(record):
        yield plain(front)
    if record.winner is not None:
        yield f"Winner: {describe_winner(record.winner, record.objective)}."
        yield f"Its hyperparameters: {settings(record.winner.hyperparameters)}."
        if record.winner.bundle:
            yield f"Its bundle: {artifacts.told_location(record.winner.bundle)}"
    if record.state == "stopped" and not record.stop_reason:
        yield f"Next: go on with `tuner study resume {record.name}`."
    else:
        yield f"Next: `tuner study show {record.name}`, `tuner report {record.name}`."


def count_parts(record: "StudyRecord") -> str:
    """Return how many trials, confirmations and retrainings are in each state."""
    by_state = [(state, len(record.trials_in(state))) for state in _TRIAL_STATES]
    finished = sum(number for state, number in by_state if state in _OVER)
    parts = [f"{finished}/{record.budget} trials: " + ", ".join(f"{number} {state}" for state, number in by_state)]
    runs = [run.state for final in _all_finals(record) for run in final.all_runs]
    for noun, states in (("confirmations", [one.state for one in record.confirmations]), ("retrainings", runs)):
        if states:
            listed = ", ".join(f"{states.count(state)} {state}" for state in _JOB_STATES if state in states)
            parts.append(f"{sum(state in _OVER for state in states)}/{len(states)} {noun}: {listed}")
    if record.ensemble_failure:
        parts.append("the ensemble failed")
    return "; ".join(parts)


def describe_best(best: "TrialRecord", objective: "Objective") -> str:
    """Return the search's best trial and its score."""
    score = plain(score_spread(best.score, best.score_sd, objective))
    where = plain(f"over {count(len(best.folds), 'fold')}") if best.folds else f"at epoch {best.best_epoch}"
    return f"trial {best.number}, {objective.label} {score} {where}"


def describe_winner(winner: "FinalRecord", objective: "Objective") -> str:
    """Return the final of the best rank and what it reached on the test set."""
    n_tested = sum(run.test_accuracy is not None for run in winner.runs)
    score = test_score(winner, objective)
    beside = f", {plain(score)}" if score else ""
    return (
        f"rank {winner.rank}, trial {winner.trial}, test accuracy {plain(tested_accuracy(winner))}{beside} "
        f"({plain(count(n_tested, 'retrained model'))})"
    )


def _all_finals(record: "StudyRecord") -> "list[FinalRecord]":
    return [*record.finals, *([record.without_augmentation] if record.without_augmentation else [])]
