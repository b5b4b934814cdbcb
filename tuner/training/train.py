"""Train a model: the function by which other packages use this one, which chooses who runs the epochs."""

import logging

import keras

from tuner.errors import TunerError
from tuner.training.callbacks import RunCallbacks
from tuner.training.checkpoint import Checkpoint, stored_however_it_ends
from tuner.training.devices import translate_device_errors
from tuner.training.fit_call import FitCall
from tuner.training.history import TrainingHistory
from tuner.training.initial_weights import InitialWeights
from tuner.training.keras_loop import fit_with_keras
from tuner.training.opening import open_run
from tuner.training.own_fit import OwnFit, train_with_own_fit
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs.cache import ProgramCache
from tuner.training.request import OnEpoch, OnNote, RunRequest, Utility, accuracy_or_worst, ignore_note
from tuner.training.run import TrainingRun
from tuner.training.scoring import Scorings
from tuner.training.session import PROGRAMS
from tuner.training.variables import finalize_weights, separate_average
from tuner.training.whole_epochs import train_whole_epochs

_log = logging.getLogger(__name__)


class UncompiledModelError(TunerError):
    """The builder returned a model that cannot be trained."""


def train(
    model: keras.Model,
    data: TrainingData,
    plan: TrainingPlan,
    *,
    on_epoch: OnEpoch,
    on_note: OnNote = ignore_note,
    checkpoint: Checkpoint | None = None,
    own_fit: OwnFit | None = None,
    programs: ProgramCache = PROGRAMS,
    utility: Utility = accuracy_or_worst,
    scoring: Scorings | None = None,
    initial: InitialWeights | None = None,
    callbacks: RunCallbacks | None = None,
) -> TrainingHistory:
    """Train a compiled model, from the epoch after its checkpoint's last one if there is one.

    The model must have been built after `session.seed_everything`; data order and augmentation come from the plan's
    seed. An average of the weights (`use_ema`) replaces them after the last epoch, as in `Model.fit`.

    Args:
        model: Compiled, for float32 images in [0, 1], ending in class probabilities. It is changed.
        data: What to train and to measure on.
        plan: How.
        on_epoch: Called with each epoch's result after its checkpoint is written, first with those that the checkpoint
            held: a worker that died after writing it may not have passed them on. What it raises ends the run.
        on_note: Called with a sentence about what is done in another way than people may expect.
        checkpoint: Where the state of the last epochs is kept; the caller deletes it when the result is safe.
        own_fit: A HyperModel's own `fit`, called once in place of the loops here; where it only passes its arguments on
            to `model.fit`, that call trains by whole-epoch programs, see `fit_call`.
        programs: Where the program of the last model is found, and this one's is kept.
        utility: How good an epoch was, for early stopping.
        scoring: How the score of an epoch is measured; None: it is one of Keras' losses and accuracies.
        initial: What the model starts from, as far as it has the same layers; None: what it was built with.
        callbacks: Watch the run.

    Raises:
        NanLossError: The loss is not finite.
        UncompiledModelError: `model.compile` was not called.
        TrainingRuleError: The optimizer or the classes do not take a rule of training.
        SmoothingError: The model's loss has no label smoothing, and the plan asks for it.
        SoftTargetsError: Images are mixed, and the model's loss takes class indices and has no one-hot counterpart.
        MetricLabelsError: The model's loss and a metric beside it take different labels.
        ColumnLabelsError: The loss takes class indices of another shape.
        LastBatchError: The loss takes full batches, and fails for the smaller last one.
        ManyImagesError: The HyperModel's own `fit` is given all images at once, and they do not fit into memory.
        NoEpochReportedError: The HyperModel's own `fit` called no callback, or trained another model.
        BeginAnewError: The HyperModel's own `fit` does not go on from the checkpoint. Build the model again and
            train it without this checkpoint.
        OtherLabelsError: The HyperModel's own `fit` failed in its first epoch, and may take the other kind of labels.
        AnnealingError: The warm-up is as long as the run, or what annealing watches is not measured.
        ScoreError: The function that measures the score returned no number.
        DeviceMemoryError: The device has too little memory for this model and batch size.
        DeviceLostError: The device failed; a fresh process may go on from the checkpoint.
    """
    _refuse_uncompiled(model)
    request = RunRequest(
        model=model,
        plan=plan,
        on_epoch=on_epoch,
        on_note=on_note,
        checkpoint=checkpoint,
        utility=utility,
        scoring=scoring,
        initial=initial,
        callbacks=callbacks,
    )
    with translate_device_errors(), stored_however_it_ends([checkpoint]):
        run = open_run(request, data, programs)
        try:
            if own_fit is not None:
                run.leave_parts_out("the space has a fit of its own")
                augmented = train_with_own_fit(run, own_fit, labels_are_free=plan.labels == "auto")
            else:
                augmented = plan.augmentation is not None
                _train_here(run)
        finally:
            run.end_callbacks()
        restored_epoch = run.restore_best_epoch()
    return TrainingHistory(
        resumed_from=run.resumed_from,
        epochs=tuple(run.epochs),
        augmented=augmented,
        measured=tuple(run.logs[-1] if run.logs else ()),
        restored_epoch=restored_epoch,
    )


def _refuse_uncompiled(model: keras.Model) -> None:
    if not model.compiled:
        raise UncompiledModelError(
            "Received a model that is not compiled. Expected the builder to call model.compile(optimizer, loss, "
            "metrics=['accuracy']) before it returns."
        )


def _train_here(run: TrainingRun) -> None:
    """Train by whole-epoch programs where they can, else by Keras' own loop."""
    refusal = run.programs.find_refusal(run.model)
    if refusal is not None:
        _log.info("Training with Keras' own loop: %s.", refusal)
        run.leave_parts_out(refusal)
        return _train_with_keras(run)
    _log.info("Training with whole-epoch programs on %s.", keras.backend.backend())
    call = FitCall(batch_size=run.plan.batch_size, epochs=run.plan.epochs, class_weight=run.class_weight)
    train_whole_epochs(run, call)
    return None


def _train_with_keras(run: TrainingRun) -> None:
    run.accept_soft_targets()
    run.resume()
    if run.finished:
        return finalize_weights(run.model)
    fit_with_keras(
        run.model,
        run.data,
        run.plan,
        class_weight=run.class_weight,
        first_epoch=run.resumed_from + 1,
        begin_epoch=run.begin_epoch,
        finish_epoch=run.finish_epoch,
    )
    return separate_average(run.model)
