"""Which trials of a large study are drawn: more points show no more and slow the browser down."""

from collections.abc import Sequence
from typing import TypeVar

from tuner.objectives import Objective
from tuner.studies.records.trial import TrialRecord

T = TypeVar("T")

#: Points or lines in a figure. Sentences and tables count all trials.
MOST_DRAWN = 2000


def drawn(trials: Sequence[TrialRecord], objective: Objective) -> Sequence[TrialRecord]:
    """Return about `MOST_DRAWN` trials in their order: the best, those that set a record, and evenly spaced others."""
    if len(trials) <= MOST_DRAWN:
        return trials
    scored = [trial for trial in trials if trial.state in {"complete", "pruned"} and trial.score is not None]
    kept = {trial.number for trial in evenly(trials, MOST_DRAWN // 2)}
    kept |= {trial.number for trial in sorted(scored, key=lambda one: -objective.utility(one.score))[: MOST_DRAWN // 2]}
    best: float | None = None
    for trial in scored:
        if objective.is_better(trial.score, best):
            best = trial.score
            kept.add(trial.number)
    return [trial for trial in trials if trial.number in kept]


def evenly(items: Sequence[T], most: int = MOST_DRAWN) -> Sequence[T]:
    """Return the items or, of more than `most`, that many, evenly spaced."""
    return [items[place * len(items) // most] for place in range(most)] if len(items) > most else items


def tell(n_trials: int) -> str | None:
    """Say that a study's figures do not draw all trials; None where they do."""
    if n_trials <= MOST_DRAWN:
        return None
    return (
        f"Of {n_trials:,} trials each figure draws about {MOST_DRAWN:,}: the best, those that set a record, "
        "and evenly spaced others. Sentences and tables count all trials."
    )
