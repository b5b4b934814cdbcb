"""One trial of the search: draw the hyperparameters, train, report each epoch, prune or complete."""

import logging
from dataclasses import dataclass, field, replace

import optuna

from tuner.epochs import Epoch
from tuner.jobs.context import JobContext
from tuner.jobs.failures import describe_failure
from tuner.jobs.fitting import fit
from tuner.jobs.hyperparameters import OptunaHyperParameters
from tuner.jobs.interruptions import is_interruption
from tuner.jobs.study_data import load_search_data
from tuner.jobs.study_space import open_study_space
from tuner.jobs.time_limit import TimeLimit, TrialTimeoutError
from tuner.objectives import Objective
from tuner.studies.outcomes import Result, SearchJob, SearchOutcome
from tuner.studies.repeats import training_seed
from tuner.studies.slots import end_slot
from tuner.studies.trials import PrunedError, open_trial
from tuner.training.plan import TrainingPlan

_log = logging.getLogger(__name__)


def run_trial(context: JobContext) -> SearchOutcome:
    """Start or resume the trial of a search slot, and return its outcome.

    A failure of the configuration or of the user's own code is an outcome too. A lost lease, a stopped study or a
    drained worker is not: it ends the trial with its exception.
    """
    definition = context.study.definition
    data = load_search_data(
        definition,
        data_sha256=context.study.provenance["data_sha256"],
        pixels=context.study.pixels,
        places=context.places,
    )
    trial, scores = open_trial(context.storage, context.study, context.lease)
    progress = _Progress(
        objective=definition.objective,
        trial=trial,
        hyperparameters=OptunaHyperParameters(
            trial, fixed=definition.fixed, grid=definition.search.grid, ranges=definition.ranges
        ),
    )

    def on_epoch(result: Epoch) -> None:
        progress.add(result)
        context.on_epoch(result)
        # After the planned last epoch the trial ends anyway; the user's own fit may train more epochs.
        if result.epoch != definition.search.epochs:
            limit.check()

    def end_from_another_thread(error: TrialTimeoutError) -> None:
        end_slot(context.storage, context.lease, progress.end_by_time(error))

    context.on_scores(scores)
    limit = TimeLimit(definition.search.trial_timeout_s, end_from_another_thread)
    try:
        with limit:
            fit(
                open_study_space(definition.space, context.study.provenance),
                progress.hyperparameters,
                data,
                TrainingPlan(
                    epochs=definition.search.epochs,
                    seed=training_seed(
                        context.job_as(SearchJob), study_seed=definition.seed, position=context.lease.position
                    ),
                    batch_size=definition.search.batch_size,
                    labels=definition.data.labels,
                ),
                objective=definition.objective,
                on_epoch=on_epoch,
                on_note=progress.notes.append,
                checkpoint=context.checkpoint,
            )
        progress.hyperparameters.refuse_unknown_names()
    except PrunedError:
        return progress.end("pruned")
    except TrialTimeoutError as error:
        return progress.end_by_time(error)
    except Exception as error:
        # Any other exception of the user's builder fails its trial.
        if is_interruption(error):
            raise
        return progress.fail(error)
    return progress.end("complete")


@dataclass(frozen=True, kw_only=True)
class _Progress:
    """The state of a trial so far, and the outcomes that follow from it."""

    objective: Objective
    trial: optuna.Trial
    hyperparameters: OptunaHyperParameters
    epochs: list[Epoch] = field(default_factory=list)
    #: Sentences for people.
    notes: list[str] = field(default_factory=list)

    def add(self, result: Epoch) -> None:
        # A run that cannot resume from its checkpoint restarts at epoch 1.
        self.epochs[result.epoch - 1 :] = [result]

    def end(self, state: Result) -> SearchOutcome:
        best = self.objective.best_epoch(self.epochs)
        return SearchOutcome(
            state=state,
            score=self.objective.of(best) if best else None,
            best_epoch=best.epoch if best else None,
            hyperparameters=dict(self.hyperparameters.values),
            curve=tuple(self.epochs),
            notes=tuple(self.notes),
        )

    def end_by_time(self, error: TrialTimeoutError) -> SearchOutcome:
        """Return an outcome with the epochs that were finished in time."""
        if not self.epochs:
            return self.fail(error)
        note = f"Ended after epoch {len(self.epochs)} by search.trial_timeout_s = {error.limit_s:g} seconds."
        _log.warning("trial %d: %s", self.trial.number, note)
        self.notes.append(note)
        return replace(self.end("complete"), ended="timeout")

    def fail(self, error: Exception) -> SearchOutcome:
        _log.warning("trial %d failed: %s", self.trial.number, error)
        failure = describe_failure(error)
        if failure.kind == "out_of_memory":
            # Infeasible, not only failed, so that samplers avoid this region.
            self.trial.set_constraint("out_of_memory", 1.0)
        return SearchOutcome(
            state="failed",
            hyperparameters=dict(self.hyperparameters.values),
            notes=tuple(self.notes),
            failure=failure,
        )
