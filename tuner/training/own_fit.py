"""Training by a HyperModel's own `fit`: what it is given, who trains its epochs, and whether it can go on.

A call of `model.fit` inside it that only passes its arguments on trains by a whole-epoch program, see `fit_call`. Any
other call is Keras' own; its images are augmented anew each epoch where it passes them on. A custom loop runs as it is.
Each epoch that is reported to the callbacks is counted, whatever number it has there.

A run goes on from its checkpoint where `fit` takes `initial_epoch`, by name or in `**kwargs`, and begins at that epoch.
Where it begins elsewhere, the run begins again, see `BeginAnewError`.
"""

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.errors import TunerError
from tuner.free_memory import free_memory_bytes
from tuner.image_ranges import white_of
from tuner.training.fit_call import (
    RATE_CALLBACKS,
    CallArguments,
    FitArguments,
    find_call_refusal,
    flatten_callbacks,
    read_batch_size,
    read_fit_call,
    replaced_fit,
    same_pair,
    validates_on_its_own,
)
from tuner.training.history import returned_logs
from tuner.training.keras_loop import (
    EpochBatches,
    EpochReporter,
    are_pictures_of,
    to_pictures,
    to_targets,
    validation_arrays,
)
from tuner.training.plan import Labels
from tuner.training.run import BeginAnewError, TrainingRun
from tuner.training.targets import WORDING, other_labels
from tuner.training.variables import separate_average
from tuner.training.weight_files import WeightFiles
from tuner.training.whole_epochs import train_whole_epochs

#: What custom code raises for labels of the wrong kind.
_OF_LABELS = (AssertionError, IndexError, TypeError, ValueError)

#: Why a run cannot go on from its checkpoint.
RECOMPILES = "the space's fit compiles the model anew, which loses the optimizer's state"
CALLS_AGAIN = "the space's fit calls model.fit more than once"

_log = logging.getLogger(__name__)


class NoEpochReportedError(TunerError):
    """A HyperModel's own `fit` called no callback, or trained another model."""


class ManyImagesError(TunerError):
    """A HyperModel's own `fit` is given all images at once, which do not fit into memory."""

    def __init__(self, *, n_bytes: int, n_free: int) -> None:
        super().__init__(
            f"The space's fit is given all images as one array of floats, which takes {n_bytes / 2**30:.1f} GiB, and "
            f"{n_free / 2**30:.1f} GiB of memory are free. Leave `fit` out of the HyperModel, so that images are read "
            "chunk by chunk, or set search.train_images."
        )


class OtherLabelsError(Exception):
    """A HyperModel's own `fit` failed in its first epoch, as one does that converts its labels; see the cause."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnFit:
    """A HyperModel's own `fit`, and the hyperparameters with which it is called."""

    #: As KerasTuner calls it: `function(hyperparameters, model, x, y, validation_data=…, epochs=…, callbacks=…)`.
    function: Callable[..., Any]
    hyperparameters: Any

    @property
    def takes_initial_epoch(self) -> bool:
        """Whether it may be able to go on in the middle of a run."""
        parameters = inspect.signature(self.function).parameters.values()
        return any(
            parameter.kind is parameter.VAR_KEYWORD or parameter.name == "initial_epoch" for parameter in parameters
        )


def train_with_own_fit(run: TrainingRun, own_fit: OwnFit, *, labels_are_free: bool) -> bool:
    """Call a HyperModel's own `fit`.

    Args:
        run: Before its first epoch.
        own_fit: What is called.
        labels_are_free: The study leaves it open which labels the `fit` is given.

    Returns:
        Whether all of its epochs saw the images augmented.

    Raises:
        ManyImagesError: It is given all images at once, and they do not fit into memory.
        NoEpochReportedError: It reported no epoch, or trained another model.
        BeginAnewError: It does not go on from the checkpoint's epoch.
        OtherLabelsError: It failed before the end of its first epoch, and may take the other labels.
    """
    run.leave_rules_out(("early_stopping", "class_weights"), "the space's fit has its own")
    if own_fit.takes_initial_epoch:
        run.resume()
    call = _OwnFitCall(run)
    try:
        returned = call.make(own_fit)
    except Exception as error:
        is_of_labels = isinstance(error, _OF_LABELS) or type(error).__name__ == "InvalidArgumentError"
        may_be = (labels_are_free or run.plan.hands_over_other_labels) and not run.epochs
        if is_of_labels and may_be and not isinstance(error, TunerError):
            raise OtherLabelsError from error
        raise
    return call.check(returned)


def _refuse_too_many(run: TrainingRun) -> None:
    """Raise `ManyImagesError` where all images as floats would fill the memory."""
    parts = [part for part in (run.data.train, run.data.validation) if part is not None]
    n_bytes = sum(part.images.size for part in parts) * np.dtype(np.float32).itemsize
    n_free = free_memory_bytes()
    if n_bytes > n_free:
        raise ManyImagesError(n_bytes=n_bytes, n_free=n_free)


class _OwnFitCall:
    """One call of a HyperModel's own `fit`."""

    def __init__(self, run: TrainingRun) -> None:
        self._run, self._model, self._keras_fit = run, run.model, run.model.fit
        #: Epochs that the loop has reported, in this process.
        self._n_reported = 0
        self._n_calls = 0
        self._batches: EpochBatches | None = None
        self._weight_files = WeightFiles()
        self._saw_plain_images = False
        self._asked_for_rates = self._by_programs = False
        self._given = self._fit_arguments()
        # A custom loop may not do it.
        self._given.reporter.set_model(run.model)

    def _fit_arguments(self) -> FitArguments:
        run = self._run
        labels = run.plan.settled_labels
        if run.plan.hands_over_other_labels:
            labels = other_labels(labels)
            run.note(
                f"The space's fit is given {WORDING[labels]}, of which it makes labels of its own: it failed with "
                f"{WORDING[other_labels(labels)]}, which the loss takes."
            )
        _refuse_too_many(run)
        #: The kind of `y`, and of the validation labels.
        self._labels: Labels = labels
        return FitArguments(
            x=to_pictures(run.data.train, white=white_of(run.model)),
            y=to_targets(run.data.train, labels),
            validation_data=validation_arrays(run.data, labels, white=white_of(run.model)),
            reporter=EpochReporter(self._begin_epoch, self._finish_epoch),
            optimizer=run.model.optimizer,
            initial_epoch=run.resumed_from,
        )

    def make(self, own_fit: OwnFit) -> Any:
        """Call the `fit` and return what it returns."""
        given, run = self._given, self._run
        options: dict[str, Any] = {"validation_data": given.validation_data, "callbacks": [given.reporter]}
        if given.initial_epoch:
            options["initial_epoch"] = given.initial_epoch

        def call(**more: Any) -> Any:
            return own_fit.function(own_fit.hyperparameters, self._model, given.x, given.y, **options, **more)

        # The `fit` may pass `verbose`; without it Keras' progress bars would break the worker's lines.
        keras.config.disable_interactive_logging()
        try:
            with replaced_fit(self._model, self._train_as_called):
                try:
                    return call(epochs=run.plan.epochs)
                except TypeError as error:
                    # `model.fit(*args, epochs=hp.Int(...), **kwargs)`: KerasTuner need not be given `epochs`.
                    if self._n_reported or "multiple values for keyword argument 'epochs'" not in str(error):
                        raise
                    return call()
        finally:
            keras.config.enable_interactive_logging()

    def check(self, returned: Any) -> bool:
        """Check what was trained; return whether all of it was augmented."""
        run = self._run
        if run.ended_by is not None:
            # The custom code has caught it.
            raise run.ended_by
        if not self._n_calls:
            _log.info("Trained with the HyperModel's own fit, which does not call model.fit.")
        if not run.epochs:
            self._take_returned(returned)
        if run.plan.annealing is not None and self._n_reported and not self._asked_for_rates:
            run.leave_annealing_out("the space's fit has a loop of its own that calls no on_epoch_begin")
        if self._is_recompiled():
            run.leave_rules_out(("label_smoothing", "weight_decay", "ema_momentum"), "the space's fit compiles anew")
        elif not self._by_programs:
            run.leave_rules_out(("label_smoothing",), "the space's fit trains by Keras' own loop")
        separate_average(self._model)
        if run.plan.augmentation is None:
            return False
        if self._saw_plain_images:
            run.note("Trained without augmentation: the space's fit trains on data of its own or in a loop of its own.")
        return not self._saw_plain_images

    def _take_returned(self, returned: Any) -> None:
        """Count the epochs that `fit` did not report and returned, as KerasTuner does."""
        run, logs = self._run, returned_logs(returned)
        if not logs:
            raise NoEpochReportedError(
                f"The HyperModel's fit reported no epoch, and returned {_describe(returned)}. Expected it to pass its "
                "callbacks on, as model.fit(..., **kwargs) does, or to return a History or {'val_accuracy': ...}."
            )
        run.note("The space's fit reported its epochs only when it had ended: the trial could not be pruned before.")
        run.obstacle = "the space's fit reports its epochs when it has ended"
        self._saw_plain_images = True
        for epoch, of_epoch in enumerate(logs, start=1):
            run.finish_epoch(epoch, of_epoch, 0.0)

    def _train_as_called(self, arguments: dict[str, Any]) -> keras.callbacks.History:
        run, given = self._run, self._given
        self._n_calls += 1
        if run.plan.hands_over_other_labels and arguments["y"] is given.y:
            raise ValueError("the loss does not take the labels that the fit hands on")
        self._respect_own_rates(arguments)
        if (shared := self._weight_files.describe_shared(arguments["callbacks"])) is not None:
            run.note(shared)
        if self._n_calls > 1 or self._n_reported:
            refusal: str | None = "it calls model.fit again"
        else:
            refusal = find_call_refusal(arguments, given) or run.programs.find_refusal(self._model)
            if refusal is None and not self._holds_what_was_given():
                refusal = "it has changed the arrays that it was given"
        if refusal is not None:
            _log.info("Training with the HyperModel's own fit and Keras' own loop: %s.", refusal)
            return self._train_by_keras(arguments)
        call = read_fit_call(arguments, given)
        _log.info(
            "Training with whole-epoch programs on %s, as the HyperModel's own fit asks.", keras.backend.backend()
        )
        self._asked_for_rates = True
        run.follow(call)
        self._by_programs = True
        history = train_whole_epochs(run, call)
        self._n_reported += len(run.epochs) - run.resumed_from
        return history

    def _holds_what_was_given(self) -> bool:
        """Say whether the `fit` has left the arrays that it was given as they were."""
        run, given, white = self._run, self._given, white_of(self._model)
        parts = [(given.x, given.y, run.data.train)]
        if run.data.validation is not None and given.validation_data is not None:
            parts.append((*given.validation_data, run.data.validation))
        return all(
            np.array_equal(y, to_targets(part, self._labels)) and are_pictures_of(x, part, white=white)
            for x, y, part in parts
        )

    def _respect_own_rates(self, arguments: CallArguments) -> None:
        """Leave the learning rate to the fit where it passes a callback that sets it."""
        callbacks = flatten_callbacks(arguments["callbacks"])
        setters = sorted({type(callback).__name__ for callback in callbacks if isinstance(callback, RATE_CALLBACKS)})
        if setters:
            self._run.leave_annealing_out(f"the space's fit sets the learning rate itself, by {' and '.join(setters)}")

    def _train_by_keras(self, arguments: CallArguments) -> keras.callbacks.History:
        run = self._run
        if run.resumed_from:
            if self._n_calls > 1:
                self._begin_anew(CALLS_AGAIN)
            self._refuse_other_optimizer()
            if arguments["initial_epoch"] != run.resumed_from:
                self._begin_anew("the space's fit did not hand initial_epoch on to model.fit")
        passed = {name: value for name, value in arguments.items() if name != "self"}
        if validates_on_its_own(passed, run.data.validation):
            run.note("The space's fit validates on images of its own: its scores are not those of the study's images.")
        augmented = self._augment(passed)
        self._saw_plain_images = self._saw_plain_images or augmented is None
        try:
            return self._keras_fit(**(passed if augmented is None else augmented))
        finally:
            self._batches = None

    def _augment(self, passed: CallArguments) -> dict[str, Any] | None:
        """Return the call's arguments with images augmented anew each epoch; None where it passes other data."""
        run, given = self._run, self._given
        augmentation, batch_size = run.plan.augmentation, read_batch_size(passed)
        if augmentation is None or batch_size is None or not self._passes_images_on(passed):
            return None
        targets, measured = given.y, passed["validation_data"]
        if augmentation.mixes:
            if not same_pair(measured, given.validation_data):
                return None
            run.accept_soft_targets()
            targets = to_targets(run.data.train, run.plan.settled_labels)
            measured = measured and validation_arrays(run.data, run.plan.settled_labels, white=white_of(run.model))
        plan = replace(run.plan, batch_size=batch_size, shuffle=bool(passed["shuffle"]))
        self._batches = EpochBatches(run.data.train, targets, plan, white=white_of(run.model))
        own = {"x": self._batches, "y": None, "validation_data": measured, "batch_size": None, "shuffle": False}
        if measured is not None and passed["validation_batch_size"] is None:
            own["validation_batch_size"] = batch_size
        return {**passed, **own}

    def _passes_images_on(self, passed: CallArguments) -> bool:
        """Say whether a call trains on the images that the `fit` was given, each once an epoch, and reports epochs."""
        return (
            passed["x"] is self._given.x
            and passed["y"] is self._given.y
            and not passed["validation_split"]
            and passed["sample_weight"] is None
            and passed["steps_per_epoch"] is None
            and self._given.reporter in flatten_callbacks(passed["callbacks"])
            and self._holds_what_was_given()
        )

    def _begin_epoch(self, number: int) -> NDArray[np.float32] | None:
        run = self._run
        self._check_first(number)
        epoch = len(run.epochs) + 1
        if self._batches is not None:
            self._batches.draw(epoch=epoch)
        if run.plan.annealing is not None and self._is_recompiled():
            run.leave_annealing_out("the space's fit compiles the model anew")
        self._asked_for_rates = True
        return run.begin_epoch(epoch)

    def _finish_epoch(self, number: int, logs: Mapping[str, float], duration_s: float) -> None:
        run = self._run
        self._check_first(number)
        self._refuse_other_model()
        if self._is_recompiled():
            run.obstacle = RECOMPILES
        elif self._n_calls > 1:
            run.obstacle = CALLS_AGAIN
        elif number != len(run.epochs) + 1:
            run.obstacle = "the space's fit numbers its epochs in a way of its own"
        self._saw_plain_images = self._saw_plain_images or self._batches is None
        self._n_reported += 1
        # A custom loop may count from 1, or begin again with each call of `model.fit`.
        run.finish_epoch(len(run.epochs) + 1, logs, duration_s)

    def _check_first(self, number: int) -> None:
        """Check that the first epoch (from 1) is the one after the checkpoint's last."""
        run = self._run
        if run.ended_by is not None:
            raise run.ended_by
        if self._n_reported:
            return
        run.begin_at_first_epoch("the space's fit takes no initial_epoch")
        if run.resumed_from:
            self._refuse_other_optimizer()
            if number != run.resumed_from + 1:
                self._begin_anew(f"the space's fit went on at epoch {number} and not at initial_epoch")

    def _is_recompiled(self) -> bool:
        return self._model.optimizer is not self._given.optimizer

    def _refuse_other_optimizer(self) -> None:
        if self._is_recompiled():
            self._begin_anew(RECOMPILES)

    def _refuse_other_model(self) -> None:
        trained = self._given.reporter.model
        if trained is self._model:
            return
        own = {id(variable) for variable in self._model.variables}
        if not any(id(variable) in own for variable in trained.variables):
            raise NoEpochReportedError(
                "The HyperModel's fit trained another model than it was given, whose weights would be lost. Expected "
                "it to train the model that build returned."
            )

    def _begin_anew(self, reason: str) -> NoReturn:
        run = self._run
        run.ended_by = BeginAnewError(resumed_from=run.resumed_from, reason=reason)
        raise run.ended_by


def _describe(returned: Any) -> str:
    if isinstance(returned, int | float):
        return f"the number {returned:g}, which may be a loss or an accuracy"
    return "nothing" if returned is None else f"a {type(returned).__name__}"
