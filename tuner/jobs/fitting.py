"""Build and train one configuration: the common part of search trials, confirmations and retrainings."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras
import keras_tuner

from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.jobs.callbacks import OpenCallbacks
from tuner.jobs.regime import Regime
from tuner.jobs.starting_weights import OpenedWeights, weights_for
from tuner.objectives import Objective
from tuner.spaces.space import Space, read_batch_size
from tuner.training.checkpoint import Checkpoint
from tuner.training.devices import translate_device_errors
from tuner.training.history import TrainingHistory
from tuner.training.own_fit import OtherLabelsError, OwnFit
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs import overrides_fit
from tuner.training.run import BeginAnewError, OnEpoch, OnNote
from tuner.training.scoring import Scorings
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


def fit(
    space: Space,
    hyperparameters: keras_tuner.HyperParameters,
    data: TrainingData,
    plan: TrainingPlan,
    *,
    objective: Objective,
    scoring: Scorings | None = None,
    on_epoch: OnEpoch,
    on_note: OnNote,
    regime: Regime | None = None,
    initial: OpenedWeights | None = None,
    checkpoint: Checkpoint | None = None,
    data_for_own_fit: Callable[[], TrainingData] | None = None,
    open_callbacks: OpenCallbacks | None = None,
    on_model: Callable[[keras.Model], None] = lambda _: None,
) -> Fitted:
    """Build the model from the hyperparameters and train it; equal seeds give equal results.

    If the space's own `fit` does not resume from the checkpoint, the model is rebuilt and trained from its first epoch:
    `on_epoch` then receives epoch 1 again. If it fails in its first epoch with the labels that the loss takes, it is
    called once more with the other kind of labels.

    Args:
        space: The space, whose `build` and `fit` are called.
        hyperparameters: Answer the questions of `build` and `fit`.
        data: The images to train on and to validate on.
        plan: The training plan; a hyperparameter `batch_size` that `build` asks for replaces its batch size.
        objective: The study's objective, of several the one that leads.
        scoring: How scores are measured, see `study_scoring`; None: every epoch has the one that leads, and alone.
        on_epoch: As in `train`.
        on_note: As in `train`; called once for each sentence.
        regime: What replaces augmentation, annealing and rules of training in the plan; None: nothing does.
        initial: What the study lets its models start from, see `open_weights`.
        checkpoint: As in `train`.
        data_for_own_fit: Opens the data that the user's own `fit` receives in place of `data`: images of the same
            format, with validation images.
        open_callbacks: Makes the callbacks that watch each training of the model.
        on_model: Called with each model that is built, before it is trained; may raise to end the job.

    Raises:
        BuilderError: `build` raised.
        BatchSizeError: The space's hyperparameter `batch_size` is not a number of images.
        NanLossError: The loss became NaN.
        TunerError: The model cannot start from the weights that it should, see `weights_for`.
        ScoreError: The function that measures the score returned no number.
        NoScoreError: There are validation images, and no epoch has a score.
    """
    note = tell_once(on_note)
    failed: OtherLabelsError | None = None
    asked_data = data
    while True:
        model = build_model(space, hyperparameters, data, seed=plan.seed, checkpoint=checkpoint)
        on_model(model)
        if data_for_own_fit is not None and (space.fit is not None or overrides_fit(model)):
            data, data_for_own_fit = data_for_own_fit(), None
        settled = settle_plan(plan, regime, hyperparameters)
        try:
            history = train(
                model,
                data,
                replace(settled, hands_over_other_labels=failed is not None),
                on_epoch=on_epoch,
                on_note=note,
                checkpoint=checkpoint,
                initial=weights_for(model, initial),
                callbacks=open_callbacks and open_callbacks(dict(hyperparameters.values)),
                utility=lambda epoch: objective.utility(objective.of(epoch)),
                scoring=scoring,
                own_fit=space.fit and OwnFit(function=space.fit, hyperparameters=hyperparameters),
            )
        except BeginAnewError as error:
            _log.warning("%s", error)
            note(str(error))
            if checkpoint is not None:
                checkpoint.delete()
        except OtherLabelsError as error:
            if failed is not None:
                # The first error is about the labels that the loss takes.
                raise (failed.__cause__ or failed) from None
            failed = error
        else:
            refuse_no_score(data, history, objective, scoring)
            return to_fitted(model, history, settled, data, asked_data=asked_data)


def tell_once(on_note: OnNote) -> OnNote:
    """Return a function that passes each sentence on once."""
    notes: set[str] = set()

    def note(sentence: str) -> None:
        if sentence not in notes:
            notes.add(sentence)
            on_note(sentence)

    return note


def settle_plan(
    plan: TrainingPlan, regime: Regime | None, hyperparameters: keras_tuner.HyperParameters
) -> TrainingPlan:
    """Return the plan with the regime's tables, and with the batch size that the space asks for if it asks for one.

    Raises:
        BatchSizeError: That is not a number of images.
    """
    asked = read_batch_size(hyperparameters.values, default=plan.batch_size)
    settled = plan if regime is None else regime.settle(plan, hyperparameters.values)
    return replace(settled, batch_size=asked)


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


def build_model(
    space: Space,
    hyperparameters: keras_tuner.HyperParameters,
    data: TrainingData,
    *,
    seed: int,
    checkpoint: Checkpoint | None,
) -> keras.Model:
    """Build the model, and make its checkpoint specific to the hyperparameters that it asked for."""
    seed_everything(seed)
    with translate_device_errors():
        model = space.build(hyperparameters, data.train.image_format)
    if checkpoint is not None:
        checkpoint.narrow(hyperparameters.values)
    return model


def refuse_no_score(
    data: TrainingData, history: TrainingHistory, objective: Objective, scoring: Scorings | None
) -> None:
    """Raise `NoScoreError` where there are validation images and no epoch has a score, of each of the objectives."""
    if data.validation is None:
        return
    for one in (objective, *(other for other, _ in (scoring.others if scoring else ()))):
        if one.best_epoch(history.epochs) is None:
            raise NoScoreError(one, history.measured)
