"""How long a study takes on a CPU: what its definition asks for, times what the check measured.

The measured seconds are those of one core. Workers without a GPU have a core each: n workers take an nth of the sum.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Self

from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.finals_plan import FinalsPlan, plan_finals
from tuner.studies.lifecycle import Study, change_study, update_row
from tuner.studies.records.study import MEASURED_TIME


@dataclass(frozen=True, kw_only=True)
class MeasuredTime:
    """Seconds of one CPU core that parts of a study take, with the space's defaults."""

    #: A worker's process, until it trains.
    start: float
    #: A trial or a confirmation before its first epoch: the model is built, and its program traced.
    trial: float
    #: One of its epochs, validation included; of a study with folds, one epoch of one fold.
    epoch: float
    #: The same of a retraining, with augmentation and on its images.
    retraining: float
    retraining_epoch: float

    def __str__(self) -> str:
        """Return the text that `read` reads."""
        return ", ".join(f"{name} {seconds:.4g}" for name, seconds in asdict(self).items())

    @classmethod
    def read(cls, provenance: Mapping[str, str]) -> Self | None:
        """Return what a study's check has measured; None if there was none, or on a machine with a GPU."""
        pairs = [part.split() for part in provenance.get(MEASURED_TIME, "").split(", ")]
        found = {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2}  # noqa: PLR2004 - name and number
        return cls(**found) if found.keys() == {one.name for one in fields(cls)} else None

    def of_confirmation(self, plan: FinalsPlan) -> float:
        """Return the seconds of one confirmation."""
        return self.trial + plan.confirmation_epochs * self.epoch

    def of_retraining(self, plan: FinalsPlan) -> float:
        """Return the seconds of one retraining."""
        return self.retraining + plan.retraining_epochs * self.retraining_epoch

    def of_finals(self, plan: FinalsPlan) -> float:
        """Return the seconds of all finals on one core."""
        return plan.confirmations * self.of_confirmation(plan) + plan.retrainings * self.of_retraining(plan)


def store_measured_time(storage: Storage, study: Study, measured: str) -> Study:
    """Record what was measured after the study was stored, and return the study as it is then.

    Raises:
        StudyNotFoundError: It was deleted.
    """
    return change_study(
        storage,
        study,
        lambda connection, row: update_row(
            connection, row, {"provenance": {**row.provenance, MEASURED_TIME: measured}}
        ),
    )


@dataclass(frozen=True, kw_only=True)
class ExpectedTime:
    """How long search and finals take, in seconds."""

    search_s: float
    finals_s: float

    @property
    def total_s(self) -> float:
        return self.search_s + self.finals_s


def expect_time(definition: StudyDefinition, measured: MeasuredTime, *, n_workers: int) -> ExpectedTime:
    """Estimate how long a study takes; `search.timeout` and `finals.timeout` end what would take longer.

    Args:
        definition: The study's definition.
        measured: What its check has measured.
        n_workers: Number of workers, each with a core.
    """
    trials = definition.search.trials
    n_at_once = min(n_workers, trials)
    trial_s = measured.trial + expected_epochs(definition) / trials * measured.epoch
    # The last trials do not end at the same moment.
    search_s = measured.start + (trials / n_at_once + (n_at_once - 1) / n_at_once / 2) * trial_s
    plan = plan_finals(definition, n_candidates=trials)
    finals_s = math.ceil(plan.confirmations / n_workers) * measured.of_confirmation(plan)
    finals_s += math.ceil(plan.retrainings / n_workers) * measured.of_retraining(plan)
    # The clock of a search begins with its first trial, when a worker has started.
    most_s = measured.start + (definition.search.timeout or math.inf)
    return ExpectedTime(search_s=min(search_s, most_s), finals_s=min(finals_s, definition.finals.timeout or math.inf))


def expected_epochs(definition: StudyDefinition) -> float:
    """Return the number of epochs that the search trains if trials keep the order that they have after each epoch."""
    search = definition.search
    n_steps, epochs_of_step = definition.n_steps, definition.epochs_of_trial / definition.n_steps
    pruning = search.pruning
    if search.pruner == "asha":
        steps = _steps_by_halving(search.trials, n_steps, pruning.min_resource, pruning.reduction_factor)
    elif search.pruner == "hyperband":
        firsts: list[float] = []
        while (first := pruning.min_resource * pruning.reduction_factor ** len(firsts)) <= n_steps:
            firsts.append(_steps_by_halving(search.trials, n_steps, first, pruning.reduction_factor))
        steps = sum(firsts) / len(firsts)
    elif search.pruner == "none":
        steps = float(search.trials * n_steps)
    else:
        whole = min(pruning.startup_trials, search.trials)
        kept = pruning.percentile / 100 if search.pruner == "percentile" else 0.5
        waits = pruning.patience if search.pruner == "patient" else 0
        stopped_after = min(n_steps, pruning.warmup_epochs + waits + 1)
        steps = whole * n_steps + (search.trials - whole) * (kept * n_steps + (1 - kept) * stopped_after)
    return steps * epochs_of_step


def _steps_by_halving(n_trials: int, n_steps: int, first: int, factor: int) -> float:
    """Return the steps of trials of which, at each rung, those among the best `1 / factor` so far go on.

    Of the trials that have reached a rung, the first ones go on if they are the best so far.
    """
    steps, rung, arrived = 0.0, first, float(n_trials)
    before = 0
    while rung < n_steps:
        steps += arrived * (rung - before)
        arrived = sum(max(1, n // factor) / n for n in range(1, round(arrived) + 1))
        before, rung = rung, rung * factor
    return steps + arrived * (n_steps - before)
