"""Build and train one configuration: the common part of search trials, confirmations and retrainings."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras
import keras_tuner

from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.jobs.fitting.callbacks import OpenCallbacks
from tuner.jobs.fitting.setup import TrainingSetup
from tuner.jobs.study.starting_weights import weights_for
from tuner.objectives import Objective
from tuner.training.checkpoint import Checkpoint
from tuner.training.devices import translate_device_errors
from tuner.training.history import TrainingHistory
from tuner.training.own_fit import OtherLabelsError, OwnFit
from tuner.training.plan import Part, TrainingData, TrainingPlan
from tuner.training.programs import overrides_fit
from tuner.training.request import OnEpoch, OnNote, ignore_note
from tuner.training.run import BeginAnewError
from tuner.training.session import seed_everything
from tuner.training.train import train

_log = logging.getLogger(__name__)


class NoScoreError(TunerError):
    """A training run with validation images ended without a score."""

    def __init__(self, objective: Objective, measured: Sequence[str]) -> None:
        super().__init__(
            f"No epoch measured a {objective.label}, so the trial has no score: its logs held "
            f"{', '.join(measured) or 'nothing'}. {objective.advice}{_ask_own_loop(objective)}."
        )


def _ask_own_loop(objective: Objective) -> str:
    # What is measured of the model's answers needs no report.
    is_reported = objective.field != "score" or objective.is_metric
    name = objective.name
    return f", or let your own loop report `val_{name}` to its callbacks' on_epoch_end" if is_reported else ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A trained model, and how it was trained."""

    model: keras.Model
    #: The results of all epochs, also of those before the training was resumed.
    epochs: tuple[Epoch, ...]
    #: Whether every epoch saw the images augmented as the plan asks; False if it asks for no augmentation.
    augmented: bool
    #: Whose weights the model has: the last epoch, or the best one where early stopping restored it.
    kept: Epoch
    #: With the regime's tables, and the batch size that the space asked for.
    plan: TrainingPlan
    #: What the caller gave, and what it was trained on, which differ for a `fit` of the user's own.
    asked_data: TrainingData
    data: TrainingData


@dataclass(frozen=True, kw_only=True, eq=False)
class FitRequest:
    """One training: of which configuration, on which images, by which plan, and who is told of it."""

    #: Answer the questions of the space's `build` and `fit`.
    hyperparameters: keras_tuner.HyperParameters
    #: The images to train on and to validate on.
    data: TrainingData
    #: The training plan; a hyperparameter `batch_size` that `build` asks for replaces its batch size.
    plan: TrainingPlan
    #: As in `train`.
    on_epoch: OnEpoch
    #: As in `train`; called once for each sentence.
    on_note: OnNote = ignore_note
    #: As in `train`.
    checkpoint: Checkpoint | None = None
    #: Called with each model that is built, before it is trained; may raise to end the job.
    on_model: Callable[[keras.Model], None] = lambda _: None
    #: Makes the callbacks that watch each training of the model.
    open_callbacks: OpenCallbacks | None = None
    #: Opens the data that the user's own `fit` receives in place of `data`: images of the same format, with validation
    #: images.
    data_for_own_fit: Callable[[], TrainingData] | None = None
    #: Its images among those that several trainings are given at once; None: they are the same images for all.
    part: Part | None = None


def fit(setup: TrainingSetup, request: FitRequest) -> Fitted:
    """Build the model from the hyperparameters and train it; equal seeds give equal results.

    If the space's own `fit` does not resume from the checkpoint, the model is rebuilt and trained from its first epoch:
    `on_epoch` then receives epoch 1 again. If it fails in its first epoch with the labels that the loss takes, it is
    called once more with the other kind of labels.

    Raises:
        BuilderError: `build` raised.
        BatchSizeError: The space's hyperparameter `batch_size` is not a number of images.
        NanLossError: The loss became NaN.
        TunerError: The model cannot start from the weights that it should, see `weights_for`.
        ScoreError: The function that measures the score returned no number.
        NoScoreError: There are validation images, and no epoch has a score.
    """
    note = tell_once(request.on_note)
    failed: OtherLabelsError | None = None
    data, open_other_data = request.data, request.data_for_own_fit
    while True:
        model = build_model(setup, request)
        request.on_model(model)
        if open_other_data is not None and (setup.space.fit is not None or overrides_fit(model)):
            data, open_other_data = open_other_data(), None
        settled = setup.settle(request.plan, request.hyperparameters)
        try:
            history = train(
                model,
                data,
                replace(settled, hands_over_other_labels=failed is not None),
                on_epoch=request.on_epoch,
                on_note=note,
                checkpoint=request.checkpoint,
                initial=weights_for(model, setup.initial),
                callbacks=request.open_callbacks and request.open_callbacks(dict(request.hyperparameters.values)),
                utility=setup.utility,
                scoring=setup.scoring,
                own_fit=setup.space.fit and OwnFit(function=setup.space.fit, hyperparameters=request.hyperparameters),
            )
        except BeginAnewError as error:
            _log.warning("%s", error)
            note(str(error))
            if request.checkpoint is not None:
                request.checkpoint.delete()
        except OtherLabelsError as error:
            if failed is not None:
                # The first error is about the labels that the loss takes.
                raise (failed.__cause__ or failed) from None
            failed = error
        else:
            refuse_no_score(data, history, setup)
            return to_fitted(model, history, settled, data, asked_data=request.data)


def tell_once(on_note: OnNote) -> OnNote:
    """Return a function that passes each sentence on once."""
    notes: set[str] = set()

    def note(sentence: str) -> None:
        if sentence not in notes:
            notes.add(sentence)
            on_note(sentence)

    return note


def to_fitted(
    model: keras.Model, history: TrainingHistory, plan: TrainingPlan, data: TrainingData, *, asked_data: TrainingData
) -> Fitted:
    """Return what a training run came to."""
    epochs = history.epochs
    return Fitted(
        model=model,
        epochs=epochs,
        augmented=history.augmented,
        kept=epochs[-1 if history.restored_epoch is None else history.restored_epoch - 1],
        plan=plan,
        asked_data=asked_data,
        data=data,
    )


def build_model(setup: TrainingSetup, request: FitRequest) -> keras.Model:
    """Build the model, and make its checkpoint specific to the hyperparameters that it asked for."""
    seed_everything(request.plan.seed)
    with translate_device_errors():
        model = setup.space.build(request.hyperparameters, request.data.train.image_format)
    if request.checkpoint is not None:
        request.checkpoint.narrow(request.hyperparameters.values)
    return model


def refuse_no_score(data: TrainingData, history: TrainingHistory, setup: TrainingSetup) -> None:
    """Raise `NoScoreError` where there are validation images and no epoch has a score, of each of the objectives."""
    if data.validation is None:
        return
    for one in (setup.objective, *(other for other, _ in (setup.scoring.others if setup.scoring else ()))):
        if one.best_epoch(history.epochs) is None:
            raise NoScoreError(one, history.measured)
