"""Cross-validation: one configuration is trained once for each fold, on the other folds, and scored on that one.

The score of a trial or confirmation is the mean over its folds, of each fold what the score of a training run is. A
worker that goes on with a job takes over the finished folds (`finished_folds`), and the unfinished one from its own
checkpoint.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.epochs import Epoch, FoldProgress
from tuner.jobs.callbacks import callbacks_of
from tuner.jobs.context import JobContext
from tuner.jobs.finished_folds import FinishedFolds, FinishedFoldsStore
from tuner.jobs.fitting import fit
from tuner.jobs.regime import Regime
from tuner.jobs.study_data import load_search_data
from tuner.jobs.study_scoring import open_scoring
from tuner.objectives import Objective
from tuner.spaces.space import Space
from tuner.studies.outcomes import Curve, FoldResult, mean_over
from tuner.studies.seeds import fold_seed
from tuner.training.initial_weights import InitialWeights
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.session import release_memory, seed_everything

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class FoldCurves:
    """The folds of one job so far: the finished ones, and the epochs of the one that is trained."""

    objective: Objective
    #: Told of each epoch, and of each fold that is over; may raise to end the job.
    on_progress: Callable[[FoldProgress], None]
    finished: list[Curve] = field(default_factory=list)
    _current: list[Epoch] = field(default_factory=list)

    def add(self, epoch: Epoch) -> None:
        """Take an epoch of the fold that is trained."""
        # A run that cannot resume from its checkpoint restarts at epoch 1.
        self._current[epoch.epoch - 1 :] = [epoch]
        self._tell(fold=len(self.finished) + 1, score=None)

    def finish(self, curve: Curve) -> None:
        """Take all epochs of a fold that is over; one of them has a score."""
        self.finished.append(curve)
        self._current.clear()
        self._tell(fold=len(self.finished), score=mean_over(self.results))

    def _tell(self, *, fold: int, score: float | None) -> None:
        n_epochs = sum(map(len, self.finished)) + len(self._current)
        self.on_progress(FoldProgress(fold=fold, n_epochs=n_epochs, score=score))

    @property
    def results(self) -> tuple[FoldResult, ...]:
        """The finished folds, as an outcome stores them beside their epochs."""
        return tuple(self._result(curve) for curve in self.finished)

    @property
    def curve(self) -> Curve:
        """The epochs of the finished folds, one after another."""
        return tuple(epoch for curve in self.finished for epoch in curve)

    def _result(self, curve: Curve) -> FoldResult:
        best = self.objective.best_epoch(curve)
        score = self.objective.of(best) if best else None
        if best is None or score is None:
            raise ValueError("Received a fold without a score. Expected one, which `fit` demands.")
        return FoldResult(score=score, best_epoch=best.epoch, n_epochs=len(curve))


def train_folds(
    context: JobContext,
    space: Space,
    hyperparameters: keras_tuner.HyperParameters,
    plan: TrainingPlan,
    *,
    regime: Regime,
    initial: InitialWeights | None,
    curves: FoldCurves,
    notes: list[str],
    on_model: Callable[[keras.Model], None] = lambda _: None,
) -> None:
    """Train the configuration on all folds but one, for each fold that is not finished yet.

    Folds depend on nothing of each other: each has its own images, its own seed, and a fresh model.

    Args:
        context: Of a trial or a confirmation of a study with folds.
        space: The study's; in a search it asks for what the regime draws too.
        hyperparameters: Answer the questions of the space's `build` and `fit`, equally for each fold.
        plan: How each fold is trained; the seeds of folds follow from its seed.
        regime: As in `fit`.
        initial: As in `fit`.
        curves: Takes all epochs; what its `on_progress` raises ends the job unchanged.
        notes: Takes sentences for people, each once.
        on_model: As in `fit`.

    Raises:
        TunerError: As in `fit`.
    """
    definition = context.study.definition
    n_folds = definition.data.folds or 0
    scoring = open_scoring(definition, context.study.provenance)

    def load(fold: int) -> TrainingData:
        study = context.study
        return load_search_data(
            definition,
            data_sha256=study.provenance["data_sha256"],
            pixels=study.pixels,
            places=context.places,
            fold=fold,
        )

    def note(sentence: str) -> None:
        if sentence not in notes:
            notes.append(sentence)

    def train_fold(fold: int) -> Curve:
        # As between two trials.
        release_memory()
        return fit(
            space,
            hyperparameters,
            load(fold),
            plan_fold(plan, fold, n_folds=n_folds),
            objective=definition.objective,
            scoring=scoring,
            on_epoch=curves.add,
            on_note=note,
            regime=regime,
            initial=initial,
            checkpoint=context.checkpoint_of_fold(fold),
            open_callbacks=callbacks_of(context, fold=fold),
            on_model=on_model,
        ).epochs

    store = FinishedFoldsStore(
        context.artifacts, context.checkpoint_folder, writer=context.lease.token, run=context.run_identity
    )
    finished = _take_over(store, space, hyperparameters, load(1).train.image_format, n_folds=n_folds)
    for sentence in finished.notes:
        note(sentence)
    for curve in finished.curves:
        curves.finish(curve)
    for fold in range(len(finished.curves) + 1, n_folds + 1):
        curve = train_fold(fold)
        # Not the last one, whose own checkpoint says enough: some fold is trained, or found trained, in each process.
        if fold < n_folds:
            kept = (*curves.finished, curve)
            store.write(FinishedFolds(curves=kept, values=dict(hyperparameters.values), notes=tuple(notes)))
            context.checkpoint_of_fold(fold).delete()
        curves.finish(curve)


def plan_fold(plan: TrainingPlan, fold: int, *, n_folds: int) -> TrainingPlan:
    """Return how one fold is trained, from how its trial or confirmation is."""
    return replace(plan, seed=fold_seed(plan.seed, fold), n_models=n_folds)


def _take_over(
    store: FinishedFoldsStore,
    space: Space,
    hyperparameters: keras_tuner.HyperParameters,
    images: ImageFormat,
    *,
    n_folds: int,
) -> FinishedFolds:
    """Return the folds that an earlier worker has finished, of a model with the same hyperparameters."""
    nothing = FinishedFolds(values={})
    found = store.read()
    if found is None:
        return nothing
    seed_everything(0)
    space.build(hyperparameters, images)
    asked = hyperparameters.values
    if any(name not in found.values or found.values[name] != value for name, value in asked.items()):
        # As after a database was restored from a backup, and drew other values for this trial.
        _log.warning("Passed over the finished folds: they have other hyperparameters.")
        return nothing
    _log.info("Going on after fold %d of %d.", len(found.curves), n_folds)
    return found
