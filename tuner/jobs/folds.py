"""Cross-validation: one configuration is trained once for each fold, on the other folds, and scored on that one.

The score of a trial or confirmation is the mean over its folds, of each fold what the score of a training run is. A
worker that goes on with a job takes over the finished folds (`finished_folds`), and the unfinished one from its own
checkpoint.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.epochs import Epoch, FoldProgress
from tuner.jobs.callbacks import callbacks_of
from tuner.jobs.context import JobContext
from tuner.jobs.finished_folds import FinishedFolds, FinishedFoldsStore
from tuner.jobs.fitting import Fitted, fit
from tuner.jobs.fitting_at_once import FitRequest, FitTogether, find_reason_against
from tuner.jobs.regime import Regime
from tuner.jobs.starting_weights import OpenedWeights
from tuner.jobs.study_data import FoldsAtOnce, load_folds_at_once, load_search_data
from tuner.jobs.study_scoring import open_scoring
from tuner.objectives import Measure, Objective, scores_beside
from tuner.spaces.space import Space
from tuner.studies.outcomes import Curve, FoldResult, mean_over
from tuner.studies.sections import AtOnce
from tuner.studies.seeds import fold_seed
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.population import UnlikeMembersError
from tuner.training.session import release_memory, seed_everything

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class FoldCurves:
    """The folds of one job so far: the finished ones, and the epochs of the one that is trained."""

    objective: Objective
    #: The objectives and costs beside it.
    others: Sequence[Measure] = ()
    #: Told of each epoch, and of each fold that is over; may raise to end the job.
    on_progress: Callable[[FoldProgress], None]
    finished: list[Curve] = field(default_factory=list)
    #: Of each fold that is trained, how many epochs are over.
    _n_current: dict[int, int] = field(default_factory=dict)

    def add(self, epoch: Epoch, *, fold: int) -> None:
        """Take an epoch of a fold that is trained."""
        # A run that cannot resume from its checkpoint restarts at epoch 1.
        self._n_current[fold] = epoch.epoch
        # Of several that are trained at once, the first.
        self._tell(fold=len(self.finished) + 1, score=None)

    def finish(self, curve: Curve) -> None:
        """Take all epochs of the next fold, which is over; one of them has a score."""
        self.finished.append(curve)
        self._n_current.pop(len(self.finished), None)
        self._tell(fold=len(self.finished), score=mean_over(self.results))

    def _tell(self, *, fold: int, score: float | None) -> None:
        n_epochs = sum(map(len, self.finished)) + sum(self._n_current.values())
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
        return FoldResult(
            score=score, best_epoch=best.epoch, n_epochs=len(curve), others=scores_beside(self.others, best)
        )


def train_folds(
    context: JobContext,
    space: Space,
    hyperparameters: keras_tuner.HyperParameters,
    plan: TrainingPlan,
    *,
    regime: Regime,
    initial: OpenedWeights | None,
    curves: FoldCurves,
    notes: list[str],
    may_end_after: Callable[[int], bool] = lambda _fold: False,
    on_model: Callable[[keras.Model], None] = lambda _: None,
) -> None:
    """Train the configuration on all folds but one, for each fold that is not finished yet.

    Folds depend on nothing of each other: each has its own images, its own seed, and a fresh model. Several of them
    may be trained at once, as long as nothing is decided between them.

    Args:
        context: Of a trial or a confirmation of a study with folds.
        space: The study's; in a search it asks for what the regime draws too.
        hyperparameters: Answer the questions of the space's `build` and `fit`, equally for each fold.
        plan: How each fold is trained; the seeds of folds follow from its seed.
        regime: As in `fit`.
        initial: As in `fit`.
        curves: Takes all epochs; what its `on_progress` raises ends the job unchanged.
        notes: Takes sentences for people, each once.
        may_end_after: Says whether the job may end when this fold is over.
        on_model: As in `fit`.

    Raises:
        TunerError: As in `fit`.
    """
    job = _FoldTraining(
        context,
        space,
        hyperparameters,
        plan,
        regime=regime,
        initial=initial,
        curves=curves,
        notes=notes,
        on_model=on_model,
    )
    job.take_over()
    for group in job.list_groups(may_end_after):
        job.train_group(group)


class _FoldTraining:
    """The folds of one job: those that are finished, and the training of others."""

    def __init__(
        self,
        context: JobContext,
        space: Space,
        hyperparameters: keras_tuner.HyperParameters,
        plan: TrainingPlan,
        *,
        regime: Regime,
        initial: OpenedWeights | None,
        curves: FoldCurves,
        notes: list[str],
        on_model: Callable[[keras.Model], None],
    ) -> None:
        self._on_model = on_model
        self._context, self._space, self._hyperparameters, self._plan = context, space, hyperparameters, plan
        self._regime, self._initial, self._curves, self._notes = regime, initial, curves, notes
        self._definition = context.study.definition
        self._n_folds = self._definition.data.folds or 0
        self._scoring = open_scoring(self._definition, context.study.provenance)
        self._store = FinishedFoldsStore(
            context.artifacts, context.checkpoint_folder, writer=context.lease.token, run=context.run_identity
        )

    def take_over(self) -> None:
        """Take the folds that an earlier worker has finished."""
        image_format = self._load(1).train.image_format
        finished = _take_over(self._store, self._space, self._hyperparameters, image_format, n_folds=self._n_folds)
        for sentence in finished.notes:
            self._note(sentence)
        for curve in finished.curves:
            self._curves.finish(curve)

    def list_groups(self, may_end_after: Callable[[int], bool]) -> Sequence[Sequence[int]]:
        """Return the folds that are left: those that are trained at once, one such group after another."""
        left = range(len(self._curves.finished) + 1, self._n_folds + 1)
        reason = find_reason_against(self._definition, lambda: self._space, self._at_once)
        if reason is not None:
            self._tell_alone(reason)
            return [[fold] for fold in left]
        sizes = {fold: len(part.validation_rows) for fold, part in self._load_at_once().parts.items()}
        return group_folds(left, sizes, may_end_after)

    def train_group(self, group: Sequence[int]) -> None:
        """Train these folds, at once if they can be."""
        if len(group) > 1:
            try:
                trained = self._train_at_once(group)
            except UnlikeMembersError as error:
                self._tell_alone(str(error).rstrip("."))
            else:
                self._finish(trained)
                return
        for fold in group:
            self._finish([self._train_alone(fold)])

    def _tell_alone(self, reason: str) -> None:
        _log.debug("Folds are trained one by one: %s.", reason)
        if self._at_once not in ("auto", 1):
            self._note(f"Its folds were trained one by one, not {self._at_once} at once: {reason}.")

    def _train_alone(self, fold: int) -> Curve:
        # As between two trials.
        release_memory()
        return fit(
            self._space,
            self._hyperparameters,
            self._load(fold),
            self._plan_of(fold),
            objective=self._definition.objective,
            scoring=self._scoring,
            on_epoch=partial(self._curves.add, fold=fold),
            on_note=self._note,
            regime=self._regime,
            initial=self._initial,
            checkpoint=self._context.checkpoint_of_fold(fold),
            open_callbacks=callbacks_of(self._context, fold=fold),
            on_model=self._on_model,
        ).epochs

    def _train_at_once(self, group: Sequence[int]) -> list[Curve]:
        """Train these folds as one program and return their curves, or raise what ends the job."""
        folds = self._load_at_once()
        together = FitTogether(
            space=self._space,
            regime=self._regime,
            objective=self._definition.objective,
            scoring=self._scoring,
            initial=self._initial,
            at_once=self._at_once,
        )
        requests = [
            FitRequest(
                hyperparameters=self._hyperparameters,
                data=folds.parts[fold].data,
                plan=self._plan_of(fold),
                on_epoch=partial(self._curves.add, fold=fold),
                on_note=self._note,
                checkpoint=self._context.checkpoint_of_fold(fold),
                on_model=self._on_model,
                part=folds.parts[fold],
            )
            for fold in group
        ]
        ends = together.fit(requests, images=folds.images, is_one_job=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        return [end.epochs for end in ends if isinstance(end, Fitted)]

    def _finish(self, trained: Sequence[Curve]) -> None:
        """Keep folds that are over, the next ones in order, and tell of them."""
        first = len(self._curves.finished) + 1
        # Not the last one, whose own checkpoint says enough: some fold is trained, or found trained, in each process.
        kept = trained[: self._n_folds - first]
        if kept:
            found = FinishedFolds(
                curves=(*self._curves.finished, *kept),
                values=dict(self._hyperparameters.values),
                notes=tuple(self._notes),
            )
            self._store.write(found)
            for fold in range(first, first + len(kept)):
                self._context.checkpoint_of_fold(fold).delete()
        for curve in trained:
            self._curves.finish(curve)

    @property
    def _at_once(self) -> AtOnce:
        return self._definition.search.at_once

    def _plan_of(self, fold: int) -> TrainingPlan:
        return plan_fold(self._plan, fold, n_folds=self._n_folds)

    def _note(self, sentence: str) -> None:
        if sentence not in self._notes:
            self._notes.append(sentence)

    def _load(self, fold: int) -> TrainingData:
        return load_search_data(
            self._definition,
            data_sha256=self._context.study.provenance["data_sha256"],
            pixels=self._context.study.pixels,
            places=self._context.places,
            fold=fold,
        )

    def _load_at_once(self) -> FoldsAtOnce:
        return load_folds_at_once(
            self._definition,
            data_sha256=self._context.study.provenance["data_sha256"],
            pixels=self._context.study.pixels,
            places=self._context.places,
        )


def group_folds(
    folds: Iterable[int], sizes: Mapping[int, int], may_end_after: Callable[[int], bool]
) -> list[list[int]]:
    """Return which folds may be trained at once: equally large ones between which nothing is decided.

    Args:
        folds: One after another.
        sizes: By fold, how many images it has.
        may_end_after: Says whether the job may end when a fold is over.
    """
    groups: list[list[int]] = []
    for fold in folds:
        if not groups or may_end_after(fold - 1) or sizes[fold] != sizes[fold - 1]:
            groups.append([])
        groups[-1].append(fold)
    return groups


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
