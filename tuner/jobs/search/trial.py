"""One trial of the search: draw the hyperparameters, train, report each epoch, prune or complete."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import optuna

from tuner.datasets.images import ImageFormat
from tuner.epochs import Epoch, FoldProgress
from tuner.errors import TunerError
from tuner.jobs.context import JobContext
from tuner.jobs.failures import describe_failure
from tuner.jobs.fitting.callbacks import callbacks_of
from tuner.jobs.fitting.costs import ConstraintViolatedError, TrialCosts
from tuner.jobs.fitting.fit import FitRequest, fit
from tuner.jobs.fitting.folds import FoldCurves, FoldTraining
from tuner.jobs.fitting.regime import asking_regime, plan_trial, search_regime
from tuner.jobs.fitting.setup import TrainingSetup
from tuner.jobs.fitting.time_limit import TimeLimit, TrialTimeoutError
from tuner.jobs.hyperparameters.hp import OptunaHyperParameters
from tuner.jobs.hyperparameters.trial_values import find_values, needs_values
from tuner.jobs.interruptions import is_interruption
from tuner.jobs.study.scoring import open_scoring
from tuner.jobs.study.space import open_study_space
from tuner.jobs.study.starting_weights import OpenedWeights, open_weights
from tuner.jobs.study.weights_file import WEIGHTS_SHA256
from tuner.objectives import Measure, Objective, scores_beside
from tuner.plain_values import Hyperparameters
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.repeats import training_seed
from tuner.studies.sections.durations import describe_duration
from tuner.studies.slots.leases import TimeOverError, end_slot
from tuner.studies.slots.limits import end_overdue
from tuner.studies.slots.outcomes import Result, SearchJob, SearchOutcome, mean_by_name, mean_over
from tuner.studies.trials import PrunedError, TrialScores, open_trial
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.request import OnEpoch

_log = logging.getLogger(__name__)


def run_trial(context: JobContext) -> SearchOutcome:
    """Start or resume the trial of a search slot, and return its outcome.

    A failure of the configuration or of the user's own code is an outcome too. A lost lease, a stopped study or a
    drained worker is not: it ends the trial with its exception.
    """
    definition = context.study.definition

    def end_from_another_thread(error: TrialTimeoutError) -> None:
        end_slot(context.storage, context.lease, trial.progress.end_by_time(error))

    limit = TimeLimit(definition.search.trial_timeout, end_from_another_thread)
    trial = begin_trial(context, check_time=limit.check)

    try:
        with limit:
            _train(trial)
    except Exception as error:  # noqa: BLE001 - an outcome, or raised by it
        return trial.end(error)
    return trial.end(None)


@dataclass(frozen=True, kw_only=True)
class BegunTrial:
    """A trial that is open in Optuna, before its training."""

    context: JobContext
    data: TrainingData
    initial: OpenedWeights | None
    progress: "_Progress"
    scores: TrialScores
    on_epoch: OnEpoch

    @property
    def plan(self) -> TrainingPlan:
        """How its model is trained."""
        definition = self.context.study.definition
        position = self.context.lease.position
        seed = training_seed(self.context.job_as(SearchJob), study_seed=definition.seed, position=position)
        return plan_trial(definition, seed=seed)

    def open_setup(self) -> TrainingSetup:
        """Return how its model is built and trained: the space asks for the search's ranges too."""
        definition, provenance = self.context.study.definition, self.context.study.provenance
        return TrainingSetup(
            space=asking_regime(open_study_space(definition, provenance), definition),
            objective=definition.objective,
            scoring=open_scoring(definition, provenance),
            regime=search_regime(definition),
            initial=self.initial,
        )

    def request(self) -> FitRequest:
        """Return its training, in a study without folds."""
        return FitRequest(
            hyperparameters=self.progress.hyperparameters,
            data=self.data,
            plan=self.plan,
            on_epoch=self.on_epoch,
            on_note=self.progress.notes.append,
            checkpoint=self.context.checkpoint,
            on_model=self.progress.costs.measure,
            open_callbacks=callbacks_of(self.context),
        )

    def end(self, error: Exception | None) -> SearchOutcome:
        """Return the outcome of the trial: what ended its training, or None where it was trained to its end.

        What only interrupts it is raised.
        """
        if error is None:
            try:
                self.progress.hyperparameters.refuse_unknown_names()
            except TunerError as unknown:
                error = unknown
            else:
                return self.progress.end("complete")
        # Any other exception of the user's builder fails its trial.
        if is_interruption(error):
            raise error
        if isinstance(error, TimeOverError):
            end_overdue(self.context.storage, self.context.study.id)
        return self.progress.end_by(error, self.context.study.definition)


def begin_trial(
    context: JobContext,
    *,
    check_time: Callable[[], None] = lambda: None,
    values: Hyperparameters | None = None,
) -> BegunTrial:
    """Open the trial of a search slot, in Optuna too.

    Args:
        context: Of the slot.
        check_time: Called after each epoch but the last; raises to end the trial.
        values: What it takes instead of drawing it, by Optuna's names, unless it has been opened before.
    """
    definition = context.study.definition
    data = context.data.load_for_search()
    initial = open_weights(
        definition.search, data.train.image_format, sha256=context.study.provenance.get(WEIGHTS_SHA256)
    )
    job, refused = _find_values(context, data.train.image_format)
    if values is not None:
        job = replace(job, values=values)
    trial, scores = open_trial(context.storage, context.study, replace(context.lease, job=job))
    n_folds = definition.data.folds

    def on_epoch(result: Epoch) -> None:
        progress.add(result)
        with _until_told_again(result.epoch, scores):
            context.on_epoch(result)
        # After the planned last epoch the trial ends anyway; the user's own fit may train more epochs.
        if result.epoch != definition.search.epochs:
            check_time()

    def on_fold(now: FoldProgress) -> None:
        with _until_told_again(now.fold, scores):
            context.on_fold(now)
        is_over = now.fold == n_folds and (now.score is not None or now.n_epochs == definition.epochs_of_trial)
        if not is_over:
            check_time()

    notes: list[str] = []
    progress = _Progress(
        objective=definition.objective,
        others=definition.others,
        trial=trial,
        hyperparameters=OptunaHyperParameters(
            trial, fixed=definition.fixed, grid=definition.search.grid, ranges=definition.ranges
        ),
        folds=FoldCurves(objective=definition.objective, others=definition.others, on_progress=on_fold)
        if n_folds
        else None,
        refused=refused,
        costs=TrialCosts(context, trial, data.train.image_format.shape, on_note=notes.append),
        notes=notes,
    )
    context.on_scores(scores)
    return BegunTrial(context=context, data=data, initial=initial, progress=progress, scores=scores, on_epoch=on_epoch)


def _find_values(context: JobContext, images: ImageFormat) -> tuple[SearchJob, Exception | None]:
    """Return the slot's job with its values; without them, and with the reason, where the space cannot say them."""
    job, definition, number = context.job_as(SearchJob), context.study.definition, context.lease.position
    if context.lease.trial_id is not None or not needs_values(job, definition, number=number):
        return job, None
    try:
        space = asking_regime(open_study_space(definition, context.study.provenance), definition)
        return find_values(job, definition, space, images, number=number), None
    except Exception as error:
        if is_interruption(error):
            raise
        return job, error


@contextmanager
def _until_told_again(step: int, scores: TrialScores) -> Iterator[None]:
    """Let a resumed trial repeat all of its stored results before the end of the search's time ends it."""
    try:
        yield
    except TimeOverError:
        if step >= scores.last_stored:
            raise


def _decide_on(scores: TrialScores, definition: StudyDefinition) -> Callable[[int], bool]:
    """Return a function that says whether a trial with folds may end when a fold is over."""
    if definition.search.trial_timeout is not None:
        # What a trial's time was spent on would else be many folds, none of them finished.
        return lambda _fold: True
    return scores.decides_after


def _train(begun: BegunTrial) -> None:
    """Train the trial's model, or those of its folds."""
    context, progress = begun.context, begun.progress
    if progress.refused is not None:
        raise progress.refused
    setup = begun.open_setup()
    if progress.folds is None:
        fit(setup, begun.request())
        return
    FoldTraining(
        context=context,
        setup=setup,
        hyperparameters=progress.hyperparameters,
        plan=begun.plan,
        curves=progress.folds,
        notes=progress.notes,
        may_end_after=_decide_on(begun.scores, context.study.definition),
        on_model=progress.costs.measure,
    ).train()


@dataclass(frozen=True, kw_only=True)
class _Progress:
    """The state of a trial so far, and the outcomes that follow from it."""

    objective: Objective
    others: Sequence[Measure]
    trial: optuna.Trial
    hyperparameters: OptunaHyperParameters
    #: None in a study without folds, whose epochs are `epochs`.
    folds: FoldCurves | None
    #: Why it cannot begin.
    refused: Exception | None
    costs: TrialCosts
    #: Sentences for people.
    notes: list[str]
    epochs: list[Epoch] = field(default_factory=list)

    def add(self, result: Epoch) -> None:
        # A run that cannot resume from its checkpoint restarts at epoch 1.
        self.epochs[result.epoch - 1 :] = [result]

    def end(self, state: Result) -> SearchOutcome:
        if self.folds is not None:
            return SearchOutcome(
                state=state,
                score=mean_over(self.folds.results) if self.folds.finished else None,
                hyperparameters=dict(self.hyperparameters.values),
                curve=self.folds.curve,
                folds=self.folds.results,
                notes=tuple(self.notes),
                costs=self.costs.measured,
                others=mean_by_name([fold.others for fold in self.folds.results]),
            )
        best = self.objective.best_epoch(self.epochs)
        return SearchOutcome(
            state=state,
            score=self.objective.of(best) if best else None,
            best_epoch=best.epoch if best else None,
            hyperparameters=dict(self.hyperparameters.values),
            curve=tuple(self.epochs),
            notes=tuple(self.notes),
            costs=self.costs.measured,
            others=scores_beside(self.others, best),
        )

    @property
    def n_finished(self) -> int:
        """Finished epochs or, with folds, folds."""
        return len(self.epochs) if self.folds is None else len(self.folds.finished)

    def end_by(self, error: Exception, definition: StudyDefinition) -> SearchOutcome:
        """Return the outcome of a trial whose training ended with this exception."""
        if isinstance(error, PrunedError):
            return self.end("pruned")
        if isinstance(error, TimeOverError):
            return self.end_with_the_search(error, definition)
        if isinstance(error, TrialTimeoutError):
            return self.end_by_time(error)
        if isinstance(error, ConstraintViolatedError):
            _log.info("trial %d: %s", self.trial.number, error)
            self.notes.append(str(error))
            return replace(self.end("pruned"), ended="constraint")
        return self.fail(error)

    def end_by_time(self, error: TrialTimeoutError) -> SearchOutcome:
        """Return the outcome of a trial that took longer than its study allows."""
        if not self.n_finished:
            return self.fail(error)
        return self._prune_by_time(f"search.trial_timeout = {describe_duration(error.limit_s)}")

    def end_with_the_search(self, error: TimeOverError, definition: StudyDefinition) -> SearchOutcome:
        """Return the outcome of a trial that was in training when the search's time was over."""
        if self.n_finished == definition.n_steps:
            return self.end("complete")
        if not self.n_finished:
            _log.warning("trial %d: %s", self.trial.number, error)
            self.notes.append(f"Ended before its first {self._step}: {error}")
            return replace(self.end("pruned"), ended="timeout")
        return self._prune_by_time(f"search.timeout = {describe_duration(definition.search.timeout or 0)}")

    @property
    def _step(self) -> str:
        return "epoch" if self.folds is None else "fold"

    def _prune_by_time(self, limit: str) -> SearchOutcome:
        note = f"Ended after {self._step} {self.n_finished} by {limit}."
        _log.warning("trial %d: %s", self.trial.number, note)
        self.notes.append(note)
        return replace(self.end("pruned"), ended="timeout")

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
            costs=self.costs.measured,
        )
