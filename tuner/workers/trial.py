"""One trial of the search: draw the hyperparameters, train, report each epoch, prune or complete."""

import logging
from typing import Any

from tuner.finals.fitting import Schedule, fit, scored_outcome
from tuner.finals.jobs import JobContext
from tuner.finals.study_data import load_search_data
from tuner.spaces.registry import open_space
from tuner.studies.seeds import trial_seed
from tuner.studies.slots import end_slot
from tuner.studies.trials import open_trial
from tuner.training.history import EpochResult
from tuner.workers.bridge import OptunaHyperParameters
from tuner.workers.failures import describe_failure
from tuner.workers.interruptions import is_interruption
from tuner.workers.reporter import PrunedError, Reporter
from tuner.workers.timeout import TimeLimit

_log = logging.getLogger(__name__)


def run_trial(context: JobContext, reporter: Reporter) -> dict[str, Any]:
    """Run or go on with the trial of a search slot, and return what the slot stores of it.

    A failure of the configuration or of the person's own code is an outcome too; a lost lease, a stopped study and a
    drained worker are none: they end the trial by their exception.
    """
    definition = context.study.definition
    data = load_search_data(definition, data_sha256=context.study.provenance["data_sha256"], places=context.places)
    trial, scores = open_trial(context.storage, context.study, context.lease)
    hyperparameters = OptunaHyperParameters(trial, fixed=definition.fixed)
    epochs: list[EpochResult] = []

    def on_epoch(result: EpochResult) -> None:
        epochs.append(result)
        context.on_epoch(result)
        limit.check()

    def fail(error: Exception) -> dict[str, Any]:
        failure = describe_failure(error)
        return scored_outcome("failed", (), hyperparameters.values) | {"failure": failure}

    def end_as_failed(error: Exception) -> None:
        end_slot(context.storage, context.lease, fail(error))

    reporter.pass_scores_to(scores)
    limit = TimeLimit(definition.search.trial_timeout_s, end_as_failed)
    schedule = Schedule(
        epochs=definition.search.epochs,
        seed=trial_seed(definition.seed, context.lease.position),
        batch_size=definition.search.batch_size,
    )
    try:
        space = open_space(definition.space)
        with limit:
            _, finished = fit(space, hyperparameters, data, schedule, on_epoch=on_epoch, checkpoint=context.checkpoint)
        hyperparameters.refuse_unknown_fixed()
    except PrunedError:
        return scored_outcome("pruned", epochs, hyperparameters.values)
    except Exception as error:
        # Whatever else a person's builder raises belongs to its trial.
        if is_interruption(error):
            raise
        _log.warning("trial %d failed: %s", trial.number, error)
        outcome = fail(error)
        if outcome["failure"]["kind"] == "out_of_memory":
            # Infeasible, not merely failed: samplers then keep away from the region.
            trial.set_constraint("out_of_memory", 1.0)
        return outcome
    return scored_outcome("complete", finished, hyperparameters.values)
