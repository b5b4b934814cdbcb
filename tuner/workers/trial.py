"""One trial of the search: draw the hyperparameters, train, report each epoch, prune or complete."""

import logging
from collections.abc import Collection
from typing import Any

import optuna

from tuner.finals.fitting import Schedule, fit, scored_outcome
from tuner.finals.jobs import JobContext
from tuner.finals.study_data import load_search_data
from tuner.spaces.registry import open_space
from tuner.studies.seeds import trial_seed
from tuner.studies.trials import open_trial
from tuner.training.history import EpochResult
from tuner.workers.bridge import OptunaHyperParameters
from tuner.workers.failures import describe_failure
from tuner.workers.interruptions import INTERRUPTIONS

_log = logging.getLogger(__name__)


class _PrunedError(Exception):
    """Ends the training of a trial that the pruner gave up."""


def run_trial(context: JobContext) -> dict[str, Any]:
    """Run or go on with the trial of a search slot, and return what the slot stores of it.

    A failure of the configuration or of the person's own code is an outcome too; a lost lease, a stopped study and a
    drained worker are none: they end the trial by their exception.
    """
    definition = context.study.definition
    data = load_search_data(definition, data_dir=context.data_dir, data_sha256=context.study.provenance["data_sha256"])
    trial, reported = open_trial(context.storage, context.study, context.lease)
    hyperparameters = OptunaHyperParameters(trial, fixed=definition.fixed)
    epochs: list[EpochResult] = []

    def on_epoch(result: EpochResult) -> None:
        # First the lease: a worker that lost it must not report.
        context.on_epoch(result)
        epochs.append(result)
        _report(trial, result, reported=reported, last_epoch=definition.search.epochs)

    try:
        _, finished = fit(
            open_space(definition.space),
            hyperparameters,
            data,
            Schedule(
                epochs=definition.search.epochs,
                seed=trial_seed(definition.seed, trial.number),
                batch_size=definition.search.batch_size,
            ),
            on_epoch=on_epoch,
            checkpoint=context.checkpoint,
        )
        hyperparameters.refuse_unknown_fixed()
    except _PrunedError:
        return scored_outcome("pruned", epochs, hyperparameters.values)
    except INTERRUPTIONS:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a person's builder raises belongs to its trial
        _log.warning("trial %d failed: %s", trial.number, error)
        failure = describe_failure(error)
        if failure["kind"] == "out_of_memory":
            # Infeasible, not merely failed: samplers then keep away from the region.
            trial.set_constraint("out_of_memory", 1.0)
        return scored_outcome("failed", (), hyperparameters.values) | {"failure": failure}
    return scored_outcome("complete", finished, hyperparameters.values)


def _report(trial: optuna.Trial, result: EpochResult, *, reported: Collection[int], last_epoch: int) -> None:
    if result.val_accuracy is None:
        return
    if result.epoch not in reported:
        trial.report(result.val_accuracy, result.epoch)
    if result.epoch < last_epoch and trial.should_prune():
        raise _PrunedError
