"""One configuration, built and trained: what search trials, confirmations and retrainings have in common."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras
import keras_tuner

from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.objectives import Objective
from tuner.spaces.space import Space, read_batch_size
from tuner.training.checkpoint import Checkpoint
from tuner.training.devices import translate_device_errors
from tuner.training.history import TrainingHistory
from tuner.training.own_fit import OtherLabelsError, OwnFit
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs import overrides_fit
from tuner.training.run import BeginAnewError, OnEpoch, OnNote
from tuner.training.session import seed_everything
from tuner.training.train import train

_log = logging.getLogger(__name__)


class NoScoreError(TunerError):
    """A training run with validation images ended without a score."""

    def __init__(self, objective: Objective, measured: Sequence[str]) -> None:
        super().__init__(
            f"No epoch had a {objective.label}, so that the trial has no score: its logs held "
            f"{', '.join(measured) or 'nothing'}. {objective.advice}, or let your own loop "
            f"report `{objective.name}` to its callbacks' on_epoch_end."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A trained model, and how it was trained."""

    model: keras.Model
    #: Every epoch's result, those before a resumption included.
    epochs: tuple[Epoch, ...]
    #: Whether every epoch saw the images augmented as the plan asks; False where it asks for nothing.
    augmented: bool


def fit(
    space: Space,
    hyperparameters: keras_tuner.HyperParameters,
    data: TrainingData,
    plan: TrainingPlan,
    *,
    objective: Objective,
    on_epoch: OnEpoch,
    on_note: OnNote,
    checkpoint: Checkpoint | None = None,
    data_for_own_fit: Callable[[], TrainingData] | None = None,
) -> Fitted:
    """Build the model from the hyperparameters and train it; equal seeds give equal results.

    Where the space's own `fit` turns out not to go on from the checkpoint, the model is built anew and trained from its
    first epoch: `on_epoch` is then told of epoch 1 once more. Where it fails in its first epoch with the labels that
    the loss takes, it is called once more with the others.

    Args:
        space: Whose `build` and `fit` are called.
        hyperparameters: What they ask.
        data: What to train and to measure on.
        plan: How; a hyperparameter `batch_size` that `build` asks for replaces its batch size.
        objective: The study's.
        on_epoch: As `train` takes it.
        on_note: As `train` takes it; told each sentence once.
        checkpoint: As `train` takes it.
        data_for_own_fit: Opens what a `fit` that a person wrote is given in place of `data`: images of the same format,
            and some to validate on.

    Raises:
        BuilderError: `build` raised.
        BatchSizeError: The space's hyperparameter `batch_size` is no number of images.
        NanLossError: The loss is no number any more.
        NoScoreError: There are validation images, and no epoch has a score.
    """
    note = _once(on_note)
    failed: OtherLabelsError | None = None
    while True:
        model = _build(space, hyperparameters, data, seed=plan.seed, checkpoint=checkpoint)
        if data_for_own_fit is not None and (space.fit is not None or overrides_fit(model)):
            data, data_for_own_fit = data_for_own_fit(), None
        asked = read_batch_size(hyperparameters.values, default=plan.batch_size)
        try:
            history = train(
                model,
                data,
                replace(plan, batch_size=asked, hands_over_other_labels=failed is not None),
                on_epoch=on_epoch,
                on_note=note,
                checkpoint=checkpoint,
                own_fit=space.fit and OwnFit(function=space.fit, hyperparameters=hyperparameters),
            )
        except BeginAnewError as error:
            _log.warning("%s", error)
            note(str(error))
            if checkpoint is not None:
                checkpoint.delete()
        except OtherLabelsError as error:
            if failed is not None:
                # What it said of the labels that belong to its loss.
                raise (failed.__cause__ or failed) from None
            failed = error
        else:
            _refuse_no_score(data, history, objective)
            return Fitted(model=model, epochs=history.epochs, augmented=history.augmented)


def _once(on_note: OnNote) -> OnNote:
    """Pass each sentence on once."""
    notes: set[str] = set()

    def note(sentence: str) -> None:
        if sentence not in notes:
            notes.add(sentence)
            on_note(sentence)

    return note


def _build(
    space: Space,
    hyperparameters: keras_tuner.HyperParameters,
    data: TrainingData,
    *,
    seed: int,
    checkpoint: Checkpoint | None,
) -> keras.Model:
    """Build the model; the hyperparameters that it asks for tell its checkpoint from others."""
    seed_everything(seed)
    with translate_device_errors():
        model = space.build(hyperparameters, data.train.image_format)
    if checkpoint is not None:
        checkpoint.narrow(hyperparameters.values)
    return model


def _refuse_no_score(data: TrainingData, history: TrainingHistory, objective: Objective) -> None:
    if data.validation is not None and all(objective.of(epoch) is None for epoch in history.epochs):
        raise NoScoreError(objective, history.measured)
