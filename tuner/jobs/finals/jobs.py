"""The jobs after the search: confirmation, retraining with a single test, ensemble."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from tuner.bundles.ensemble import soft_vote
from tuner.bundles.predictions import Predictions, read_predictions, write_predictions
from tuner.bundles.study_pictures import write_study_pictures
from tuner.datasets.images import LabelledImages
from tuner.errors import TunerError, shorten
from tuner.jobs.context import JobContext
from tuner.jobs.finals.files import ensemble_path, final_path, store_bundle, store_ensemble_bundle
from tuner.jobs.finals.pictures import make_study_pictures
from tuner.jobs.finals.score import score_test, score_vote
from tuner.jobs.finals.test_part import hold_to_recorded, open_test_set
from tuner.jobs.fitting.callbacks import callbacks_of
from tuner.jobs.fitting.costs import measure_costs
from tuner.jobs.fitting.fit import FitRequest, Fitted, fit
from tuner.jobs.fitting.folds import FoldCurves, FoldTraining
from tuner.jobs.fitting.regime import finals_regime
from tuner.jobs.fitting.setup import TrainingSetup, open_search_setup
from tuner.jobs.interruptions import is_interruption
from tuner.jobs.study.data import TEST_SHA256, ChangedTestPartError, DataUnavailableError, study_pixels
from tuner.jobs.study.scoring import open_scoring
from tuner.jobs.study.space import open_study_space
from tuner.jobs.study.starting_weights import open_weights
from tuner.jobs.study.weights_file import FINALS_WEIGHTS_SHA256
from tuner.objectives import scores_beside
from tuner.spaces.registry import fixed_hyperparameters
from tuner.studies.records.reading import read_retrainings
from tuner.studies.slots.outcomes import (
    ConfirmJob,
    ConfirmOutcome,
    EnsembleJob,
    EnsembleOutcome,
    RetrainJob,
    RetrainOutcome,
    mean_by_name,
    mean_over,
)
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.predictions import predict_probabilities, time_prediction
from tuner.training.scoring import Scorings

_log = logging.getLogger(__name__)

#: A note of each retraining whose data differ from what `finals.train_on` asks for.
RETRAINED_ON_TRAIN = (
    "Retrained on the training images only: the space has its own `fit`, which receives the validation images to "
    "validate on."
)


def run_confirmation(context: JobContext) -> ConfirmOutcome:
    """Train a configuration again as in the search, with another seed; all folds again in a study that has them."""
    definition = context.study.definition
    prepared = prepare_confirmation(context)
    if not definition.data.folds:
        return conclude_confirmation(context, prepared, fit(prepared.setup, prepared.request))
    curves = FoldCurves(objective=definition.objective, others=definition.others, on_progress=context.on_fold)
    FoldTraining(
        context=context,
        setup=prepared.setup,
        hyperparameters=prepared.request.hyperparameters,
        plan=prepared.request.plan,
        curves=curves,
        notes=prepared.notes,
    ).train()
    return ConfirmOutcome(
        state="complete",
        score=mean_over(curves.results),
        hyperparameters=context.job_as(ConfirmJob).hyperparameters,
        curve=curves.curve,
        folds=curves.results,
        others=mean_by_name([fold.others for fold in curves.results]),
        notes=tuple(prepared.notes),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedTraining:
    """One training of the finals, before its model is built."""

    setup: TrainingSetup
    request: FitRequest
    #: Takes sentences for people.
    notes: list[str]


def prepare_confirmation(context: JobContext) -> PreparedTraining:
    """Return how a configuration is trained again."""
    definition, job = context.study.definition, context.job_as(ConfirmJob)
    notes: list[str] = []
    data = context.data.load_for_search()
    return PreparedTraining(
        setup=open_search_setup(definition, context.study.provenance, data.train.image_format),
        request=FitRequest(
            hyperparameters=fixed_hyperparameters(job.hyperparameters),
            data=data,
            plan=_plan(context, epochs=definition.finals.confirm_epochs or definition.search.epochs, seed=job.seed),
            on_epoch=context.on_epoch,
            on_note=notes.append,
            checkpoint=context.checkpoint,
            open_callbacks=callbacks_of(context),
        ),
        notes=notes,
    )


def conclude_confirmation(context: JobContext, prepared: PreparedTraining, fitted: Fitted) -> ConfirmOutcome:
    """Return the outcome of a configuration that was trained again."""
    objective = context.study.definition.objective
    best = objective.best_epoch(fitted.epochs)
    return ConfirmOutcome(
        state="complete",
        score=objective.of(best) if best else None,
        best_epoch=best.epoch if best else None,
        hyperparameters=context.job_as(ConfirmJob).hyperparameters,
        curve=fitted.epochs,
        others=scores_beside(context.study.definition.others, best),
        notes=tuple(prepared.notes),
    )


def run_retraining(context: JobContext) -> RetrainOutcome:
    """Retrain a configuration with augmentation and annealing, then test it once, after the last epoch."""
    prepared = prepare_retraining(context)
    return conclude_retraining(context, prepared, fit(prepared.setup, prepared.request))


def conclude_retraining(context: JobContext, prepared: PreparedTraining, fitted: Fitted) -> RetrainOutcome:
    """Test a configuration that was retrained, store it, and return the outcome."""
    definition = context.study.definition
    job = context.job_as(RetrainJob)
    notes, scoring = prepared.notes, prepared.setup.scoring
    if job.for_curve:
        return RetrainOutcome(
            state="complete",
            val_accuracy=fitted.kept.val_accuracy,
            curve=fitted.epochs,
            augmented=fitted.augmented,
            notes=tuple(notes),
        )
    test = _load_test(context)
    tested = _test(context, fitted.model, test)
    scored = score_test(
        fitted.model,
        test,
        tested.probabilities,
        definition=definition,
        scoring=scoring or Scorings(),
        on_note=notes.append,
    )
    pictures = _store_pictures(context, fitted.model, tested, augmented=fitted.augmented, on_note=notes.append)
    return RetrainOutcome(
        state="complete",
        test_accuracy=tested.accuracy,
        test_score=scored.leading,
        test_others=scored.others,
        val_accuracy=fitted.kept.val_accuracy,
        curve=fitted.epochs,
        bundle=store_bundle(context, prepared.setup.space, fitted, tested, notes=notes),
        predictions=f"{final_path(context)}.npz",
        augmented=fitted.augmented,
        validation_predictions=_predict_validation(context, fitted.model, fitted.asked_data.validation),
        pictures=pictures,
        costs=measure_costs(fitted.model, test.image_format.shape, on_note=notes.append),
        # Of a final's first repeat: the others have the same net.
        prediction_s=None if job.repeat else time_prediction(fitted.model, test.images[0]),
        # Last, as what comes before may add some.
        notes=tuple(notes),
    )


def prepare_retraining(context: JobContext) -> PreparedTraining:
    """Return how a configuration is retrained, on the data that `finals.train_on` asks for."""
    definition, provenance = context.study.definition, context.study.provenance
    job = context.job_as(RetrainJob)
    notes: list[str] = []
    data = context.data.load_for_own_fit() if job.for_curve else context.data.load_for_finals()

    def open_data_for_own_fit() -> TrainingData:
        if definition.finals.train_on != "train":
            notes.append(RETRAINED_ON_TRAIN)
            _log.warning("%s", RETRAINED_ON_TRAIN)
        return context.data.load_for_own_fit()

    return PreparedTraining(
        setup=TrainingSetup(
            space=open_study_space(definition, provenance),
            objective=definition.objective,
            scoring=open_scoring(definition, provenance),
            regime=finals_regime(definition, augmented=job.augmented),
            initial=open_weights(
                definition.finals, data.train.image_format, sha256=provenance.get(FINALS_WEIGHTS_SHA256)
            ),
        ),
        request=FitRequest(
            hyperparameters=fixed_hyperparameters(job.hyperparameters),
            data=data,
            plan=_plan(context, epochs=definition.finals.epochs, seed=job.seed),
            on_epoch=context.on_epoch,
            on_note=notes.append,
            checkpoint=context.checkpoint,
            open_callbacks=callbacks_of(context),
            data_for_own_fit=open_data_for_own_fit,
        ),
        notes=notes,
    )


def _plan(context: JobContext, *, epochs: int, seed: int) -> TrainingPlan:
    definition = context.study.definition
    return TrainingPlan(
        epochs=epochs, seed=seed, batch_size=definition.search.batch_size, labels=definition.data.labels
    )


def run_ensemble(context: JobContext) -> EnsembleOutcome:
    """Average the probabilities of the tested models on the test set.

    An ensemble that is worse than its best member on held-out validation images is not tested.
    """
    job = context.job_as(EnsembleJob)
    notes: tuple[str, ...] = ()
    if job.left_out:
        notes = (f"Left out because validation shows them far worse than the best: {job.left_out} retrained models.",)
    outcomes = read_retrainings(context.storage, job.slots)
    if is_worse := _compare_on_validation(context, outcomes):
        return EnsembleOutcome(state="complete", members=len(outcomes), notes=(*notes, is_worse))
    tested = [read_predictions(context.artifacts, outcome.predictions) for outcome in outcomes if outcome.predictions]
    test = _load_test(context)
    if any(not np.array_equal(one.labels, test.labels) for one in tested):
        raise ChangedTestPartError(context.study.definition.dataset)
    votes = [one.probabilities for one in tested]
    path = f"{ensemble_path(context, n_members=len(votes))}.npz"
    predictions = write_predictions(
        context.artifacts, path, labels=test.labels, probabilities=soft_vote(votes), images=test.images
    )
    scoring, told = open_scoring(context.study.definition, context.study.provenance), list(notes)
    scored = score_vote(test.labels, predictions.probabilities, scoring=scoring, on_note=told.append)
    bundle, note = store_ensemble_bundle(context, outcomes, predictions)
    return EnsembleOutcome(
        state="complete",
        members=len(votes),
        test_accuracy=predictions.accuracy,
        test_score=scored.leading,
        test_others=scored.others,
        predictions=path,
        bundle=bundle,
        notes=(*told, *filter(None, [note])),
    )


def _test(context: JobContext, model: keras.Model, test: LabelledImages) -> Predictions:
    return write_predictions(
        context.artifacts,
        f"{final_path(context)}.npz",
        labels=test.labels,
        probabilities=predict_probabilities(model, test.images),
        images=test.images,
    )


def _predict_validation(context: JobContext, model: keras.Model, held_out: LabelledImages | None) -> str | None:
    """Store the predictions for the held-out validation images and return their path; None if nothing was held out."""
    if held_out is None:
        return None
    path = f"{final_path(context)}-validation.npz"
    probabilities = predict_probabilities(model, held_out.images)
    write_predictions(
        context.artifacts, path, labels=held_out.labels, probabilities=probabilities, images=held_out.images
    )
    return path


def _store_pictures(
    context: JobContext, model: keras.Model, tested: Predictions, *, augmented: bool, on_note: Callable[[str], None]
) -> str | None:
    """Store what the report shows of images and layers, once for each final, and return its path."""
    job = context.job_as(RetrainJob)
    if job.repeat or not job.augmented:
        return None
    regime = finals_regime(context.study.definition, augmented=augmented)
    path = f"{final_path(context)}-pictures.zip"
    try:
        pictures = make_study_pictures(
            model,
            context.data.load_for_own_fit(),
            test_labels=tested.labels,
            augmentation=regime.settle_augmentation(job.hyperparameters),
            seed=job.seed,
        )
    except Exception as error:
        if is_interruption(error):
            raise
        # A layer of a person's own may fail when it is looked at; the tested model is worth more than its pictures.
        _log.warning("No pictures of the layers: %s", error, exc_info=True)
        on_note(f"Its layers cannot be shown: {type(error).__name__}: {shorten(str(error), width=200)}")
        return None
    write_study_pictures(context.artifacts, path, pictures)
    return path


def _compare_on_validation(context: JobContext, outcomes: Sequence[RetrainOutcome]) -> str | None:
    """Return a sentence if the ensemble is worse on validation images than its best member, else None."""
    paths = [outcome.validation_predictions for outcome in outcomes]
    answers = [read_predictions(context.artifacts, path) for path in paths if path]
    if len(answers) < max(len(paths), 2):
        return None
    best = max(answer.accuracy for answer in answers)
    vote = soft_vote([answer.probabilities for answer in answers])
    accuracy = float((vote.argmax(axis=1) == answers[0].labels).mean())
    if accuracy >= best:
        return None
    return (
        f"Not built: on the validation images its {len(answers)} models together reach {100 * accuracy:.2f} %, the "
        f"best of them alone {100 * best:.2f} %."
    )


def _load_test(context: JobContext) -> LabelledImages:
    recorded = context.study.provenance.get(TEST_SHA256)
    try:
        test = open_test_set(
            context.study.definition,
            class_names=context.study.class_names,
            data_dir=context.places.data_dir,
            pixels=study_pixels(context.study.pixels),
            sha256=recorded,
            decoded=context.places.decoded,
        )
    except DataUnavailableError:
        raise
    except TunerError as error:
        raise DataUnavailableError(str(error)) from error
    if recorded is None:
        # The check did not read them: this is the first model that is tested, or the study was read before it was.
        hold_to_recorded(context.storage, context.study, test)
    return test
