"""How a study has ended, in the few lines that stand below a pool's progress."""

from collections.abc import Iterator, Sequence

from tuner.artifacts import ArtifactStore
from tuner.report.wording import count, percent, spread
from tuner.studies.lifecycle import find_studies
from tuner.studies.records import FinalRecord, StudyRecord, TrialRecord, TrialState
from tuner.studies.storage import Storage

_ENDED = {"done", "stopped"}
_TRIAL_STATES: tuple[TrialState, ...] = ("complete", "pruned", "failed", "running", "waiting")
_JOB_STATES = ("complete", "failed", "running", "waiting")
_OVER = {"complete", "pruned", "failed"}


def names_to_watch(storage: Storage, names: Sequence[str]) -> Sequence[str]:
    """Return the names given or, without any, those of all studies that have not ended yet."""
    return names or [study.name for study in find_studies(storage, []) if study.state not in _ENDED]


def describe_ending(record: StudyRecord, artifacts: ArtifactStore) -> Iterator[str]:
    """Yield what a study has found and where it is, line by line; nothing for one that has not ended."""
    if record.state not in _ENDED:
        return
    yield f"Study {record.name} is {record.state}: {count_parts(record)}."
    if record.best is not None:
        yield f"Best of the search: {describe_best(record.best)}."
    if record.winner is not None:
        yield f"Winner: {describe_winner(record.winner)}."
        if record.winner.bundle:
            yield f"Its bundle: {artifacts.location(record.winner.bundle)}"
    if record.state == "stopped" and not record.stop_reason:
        yield f"Next: go on with `tuner study resume {record.name}`."
    else:
        yield f"Next: `tuner study show {record.name}`, `tuner report {record.name}`."


def count_parts(record: StudyRecord) -> str:
    """Return how many trials, and jobs of the finals, ended how."""
    by_state = [(state, len(record.trials_in(state))) for state in _TRIAL_STATES]
    finished = sum(number for state, number in by_state if state in _OVER)
    parts = [f"{finished}/{record.budget} trials: " + ", ".join(f"{number} {state}" for state, number in by_state)]
    runs = [run.state for final in _all_finals(record) for run in final.runs]
    for noun, states in (("confirmations", [one.state for one in record.confirmations]), ("retrainings", runs)):
        if states:
            listed = ", ".join(f"{states.count(state)} {state}" for state in _JOB_STATES if state in states)
            parts.append(f"{sum(state in _OVER for state in states)}/{len(states)} {noun}: {listed}")
    if record.ensemble_failure:
        parts.append("the ensemble failed")
    return "; ".join(parts)


def describe_best(best: TrialRecord) -> str:
    """Return the search's best trial and its score."""
    return f"trial {best.number}, validation accuracy {_plain(percent(best.score))} at epoch {best.best_epoch}"


def describe_winner(winner: FinalRecord) -> str:
    """Return the final of the best rank and what it reached on the test set."""
    n_tested = sum(run.test_accuracy is not None for run in winner.runs)
    accuracy = (
        percent(winner.test_accuracy_mean)
        if winner.test_accuracy_mean is None or winner.test_accuracy_sd is None
        else spread(winner.test_accuracy_mean, winner.test_accuracy_sd)
    )
    return (
        f"rank {winner.rank}, trial {winner.trial}, test accuracy {_plain(accuracy)} "
        f"({_plain(count(n_tested, 'retrained model'))})"
    )


def _all_finals(record: StudyRecord) -> list[FinalRecord]:
    return [*record.finals, *([record.without_augmentation] if record.without_augmentation else [])]


def _plain(text: str) -> str:
    """Return the text with plain spaces, as terminals and `grep` have them."""
    return text.replace("\u00a0", " ")
