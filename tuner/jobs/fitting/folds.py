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
from tuner.jobs.context import JobContext
from tuner.jobs.fitting.at_once import find_reason_against, fit_at_once
from tuner.jobs.fitting.callbacks import callbacks_of
from tuner.jobs.fitting.finished_folds import FinishedFolds, FinishedFoldsStore
from tuner.jobs.fitting.fit import FitRequest, Fitted, fit
from tuner.jobs.fitting.setup import TrainingSetup
from tuner.objectives import Measure, Objective, scores_beside
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.sections.search import AtOnce
from tuner.studies.seeds import fold_seed
from tuner.studies.slots.outcomes import Curve, FoldResult, mean_over
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.populations.train import UnlikeMembersError
from tuner.training.session import release_memory, seed_everything

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class FoldCurves:
    """The folds of one job so far: the finished ones, and the epochs of the one that is trained."""

    objective: Objective
    #: The objectives and costs beside it.
    others: Sequence[Measure] = ()
    #: Called after each epoch, and for each fold that is over; may raise to end the job.
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


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldTraining:
    """Train the configuration of a trial or confirmation on all folds but one, for each fold that is not finished yet.

    Folds depend on nothing of each other: each has its own images, its own seed, and a fresh model. Several of them
    may be trained at once, as long as nothing is decided between them.
    """

    #: Of a slot of a study with folds.
    context: JobContext
    #: In a search, its space asks for what the regime draws too.
    setup: TrainingSetup
    #: Answer the questions of the space's `build` and `fit`, equally for each fold.
    hyperparameters: keras_tuner.HyperParameters
    #: How each fold is trained; the seeds of folds follow from its seed.
    plan: TrainingPlan
    #: Takes all epochs; what its `on_progress` raises ends the job unchanged.
    curves: FoldCurves
    #: Takes sentences for people, each once.
    notes: list[str]
    #: Says whether the job may end when this fold is over.
    may_end_after: Callable[[int], bool] = lambda _fold: False
    #: As in `FitRequest`.
    on_model: Callable[[keras.Model], None] = lambda _: None

    def train(self) -> None:
        """Train what is left.

        Raises:
            TunerError: As in `fit`.
        """
        self._take_over()
        for group in self._list_groups():
            self._train_group(group)

    def _take_over(self) -> None:
        """Take the folds that an earlier worker has finished."""
        finished = self._find_finished(self.context.data.load_for_search().train.image_format)
        for sentence in finished.notes:
            self._note(sentence)
        for curve in finished.curves:
            self.curves.finish(curve)

    def _list_groups(self) -> Sequence[Sequence[int]]:
        """Return the folds that are left: those that are trained at once, one such group after another."""
        left = range(len(self.curves.finished) + 1, self._n_folds + 1)
        reason = find_reason_against(self._definition, lambda: self.setup.space, self._at_once)
        if reason is not None:
            self._tell_alone(reason)
            return [[fold] for fold in left]
        sizes = {fold: len(part.validation_rows) for fold, part in self.context.data.load_folds().parts.items()}
        return group_folds(left, sizes, self.may_end_after)

    def _train_group(self, group: Sequence[int]) -> None:
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
        request = self._request(fold, self.context.data.load_for_search(fold))
        return fit(self.setup, replace(request, open_callbacks=callbacks_of(self.context, fold=fold))).epochs

    def _train_at_once(self, group: Sequence[int]) -> list[Curve]:
        """Train these folds as one program and return their curves, or raise what ends the job."""
        folds = self.context.data.load_folds()
        parts = {fold: folds.parts[fold] for fold in group}
        requests = [replace(self._request(fold, part.data), part=part) for fold, part in parts.items()]
        ends = fit_at_once(self.setup, requests, at_once=self._at_once, images=folds.images, is_one_job=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        return [end.epochs for end in ends if isinstance(end, Fitted)]

    def _finish(self, trained: Sequence[Curve]) -> None:
        """Keep folds that are over, the next ones in order, and tell of them."""
        first = len(self.curves.finished) + 1
        # Not the last one, whose own checkpoint says enough: some fold is trained, or found trained, in each process.
        kept = trained[: self._n_folds - first]
        if kept:
            found = FinishedFolds(
                curves=(*self.curves.finished, *kept),
                values=dict(self.hyperparameters.values),
                notes=tuple(self.notes),
            )
            self._store.write(found)
            for fold in range(first, first + len(kept)):
                self.context.checkpoint_of_fold(fold).delete()
        for curve in trained:
            self.curves.finish(curve)

    @property
    def _at_once(self) -> AtOnce:
        return self._definition.search.at_once

    def _request(self, fold: int, data: TrainingData) -> FitRequest:
        return FitRequest(
            hyperparameters=self.hyperparameters,
            data=data,
            plan=plan_fold(self.plan, fold, n_folds=self._n_folds),
            on_epoch=partial(self.curves.add, fold=fold),
            on_note=self._note,
            checkpoint=self.context.checkpoint_of_fold(fold),
            on_model=self.on_model,
        )

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    @property
    def _definition(self) -> StudyDefinition:
        return self.context.study.definition

    @property
    def _n_folds(self) -> int:
        return self._definition.data.folds or 0

    @property
    def _store(self) -> FinishedFoldsStore:
        context = self.context
        return FinishedFoldsStore(
            context.artifacts, context.checkpoint_folder, writer=context.lease.token, run=context.run_identity
        )

    def _find_finished(self, images: ImageFormat) -> FinishedFolds:
        """Return the folds that an earlier worker has finished, of a model with the same hyperparameters."""
        nothing = FinishedFolds(values={})
        found = self._store.read()
        if found is None:
            return nothing
        seed_everything(0)
        self.setup.space.build(self.hyperparameters, images)
        asked = self.hyperparameters.values
        if any(name not in found.values or found.values[name] != value for name, value in asked.items()):
            # As after a database was restored from a backup, and drew other values for this trial.
            _log.warning("Passed over the finished folds: they have other hyperparameters.")
            return nothing
        _log.info("Going on after fold %d of %d.", len(found.curves), self._n_folds)
        return found


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
