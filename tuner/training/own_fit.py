"""Training by a HyperModel's own `fit`: what it is given, how far our programs serve it, and whether it can go on.

A call of `model.fit` inside it that only hands its arguments on trains by whole-epoch programs, see `fit_call`. Any
other is Keras' own, of images augmented anew each epoch where it hands the images on; a loop of its own is let be. Each
epoch that the loop reports to the callbacks is counted, whatever number the loop gives it.

A run goes on from its checkpoint where `fit` takes `initial_epoch`, by name or in `**kwargs`, and its first epoch is
that one. Where that turns out otherwise the run begins anew, see `BeginAnewError`.
"""

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.errors import TunerError
from tuner.training.fit_call import (
    RATE_CALLBACKS,
    HandedOver,
    find_call_refusal,
    flatten_callbacks,
    read_batch_size,
    read_fit_call,
    replaced_fit,
    same_pair,
)
from tuner.training.history import returned_logs
from tuner.training.keras_loop import EpochBatches, EpochReporter, to_pictures, to_targets, validation_arrays
from tuner.training.run import BeginAnewError, TrainingRun
from tuner.training.targets import WORDING, other_labels
from tuner.training.variables import separate_average
from tuner.training.whole_epochs import train_whole_epochs

#: What labels of the wrong kind make a person's code raise.
_OF_LABELS = (AssertionError, IndexError, TypeError, ValueError)

#: Why a run cannot go on from its checkpoint.
RECOMPILES = "the space's fit compiles the model anew, which loses the optimizer's state"
CALLS_AGAIN = "the space's fit calls model.fit more than once"

_log = logging.getLogger(__name__)


class NoEpochReportedError(TunerError):
    """A HyperModel's own `fit` called no callback, or trained another model."""


class OtherLabelsError(Exception):
    """A HyperModel's own `fit` failed in its first epoch, as it does if it makes labels of its own; see its cause."""


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
        labels_are_free: The study leaves open which labels it is given.

    Returns:
        Whether all of its epochs saw the images augmented.

    Raises:
        NoEpochReportedError: It reported no epoch, or trained another model.
        BeginAnewError: It does not go on from the epoch to which model and optimizer were restored.
        OtherLabelsError: It failed before the end of its first epoch; it may take the other labels.
    """
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


class _OwnFitCall:
    """One call of a HyperModel's own `fit`."""

    def __init__(self, run: TrainingRun) -> None:
        self._run, self._model, self._keras_fit = run, run.model, run.model.fit
        #: Epochs that the loop has reported, in this process.
        self._n_reported = 0
        self._n_calls = 0
        self._batches: EpochBatches | None = None
        self._is_plain = False
        self._asked_for_rates = False
        self._handed = self._hand_over()
        # A loop of its own need not.
        self._handed.reporter.set_model(run.model)

    def _hand_over(self) -> HandedOver:
        run = self._run
        labels = run.plan.settled_labels
        if run.plan.hands_over_other_labels:
            labels = other_labels(labels)
            run.note(
                f"The space's fit is given {WORDING[labels]}, of which it makes labels of its own: it failed with "
                f"{WORDING[other_labels(labels)]}, which the loss takes."
            )
        return HandedOver(
            x=to_pictures(run.data.train),
            y=to_targets(run.data.train, labels),
            validation_data=validation_arrays(run.data, labels),
            reporter=EpochReporter(self._begin_epoch, self._finish_epoch),
            optimizer=run.model.optimizer,
            initial_epoch=run.resumed_from,
        )

    def make(self, own_fit: OwnFit) -> Any:
        """Call the `fit` and return what it returns."""
        handed, run = self._handed, self._run
        options: dict[str, Any] = {"validation_data": handed.validation_data, "callbacks": [handed.reporter]}
        if handed.initial_epoch:
            options["initial_epoch"] = handed.initial_epoch

        def call(**more: Any) -> Any:
            return own_fit.function(own_fit.hyperparameters, self._model, handed.x, handed.y, **options, **more)

        # `verbose` is the person's to pass; Keras' progress bars would break the worker's own lines.
        keras.config.disable_interactive_logging()
        try:
            with replaced_fit(self._model, self._train_as_called):
                try:
                    return call(epochs=run.plan.epochs)
                except TypeError as error:
                    # `model.fit(*args, epochs=hp.Int(...), **kwargs)`: KerasTuner's users leave `epochs` out of
                    # `search`.
                    if self._n_reported or "multiple values for keyword argument 'epochs'" not in str(error):
                        raise
                    return call()
        finally:
            keras.config.enable_interactive_logging()

    def check(self, returned: Any) -> bool:
        """Check what was trained; return whether all of it was augmented."""
        run = self._run
        if run.ended_by is not None:
            # The person's code has caught it.
            raise run.ended_by
        if not self._n_calls:
            _log.info("Trained with the HyperModel's own fit, which does not call model.fit.")
        if not run.epochs:
            self._take_returned(returned)
        if run.plan.annealing is not None and self._n_reported and not self._asked_for_rates:
            run.leave_annealing_out("the space's fit has a loop of its own that calls no on_epoch_begin")
        separate_average(self._model)
        if run.plan.augmentation is None:
            return False
        if self._is_plain:
            run.note("Trained without augmentation: the space's fit trains on data of its own or in a loop of its own.")
        return not self._is_plain

    def _take_returned(self, returned: Any) -> None:
        """Count the epochs that `fit` returned and did not report, as KerasTuner does."""
        run, logs = self._run, returned_logs(returned)
        if not logs:
            raise NoEpochReportedError(
                f"The HyperModel's fit reported no epoch, and returned {_describe(returned)}. Expected it to pass its "
                "callbacks on, as model.fit(..., **kwargs) does, or to return a History or {'val_accuracy': ...}."
            )
        run.note("The space's fit reported its epochs only when it had ended: the trial could not be pruned before.")
        run.obstacle = "the space's fit reports its epochs when it has ended"
        self._is_plain = True
        for epoch, of_epoch in enumerate(logs, start=1):
            run.finish_epoch(epoch, of_epoch, 0.0)

    def _train_as_called(self, arguments: dict[str, Any]) -> keras.callbacks.History:
        run, handed = self._run, self._handed
        self._n_calls += 1
        if run.plan.hands_over_other_labels and arguments["y"] is handed.y:
            raise ValueError("the loss does not take the labels that the fit hands on")
        self._mind_own_rates(arguments)
        if self._n_calls > 1 or self._n_reported:
            refusal: str | None = "it calls model.fit again"
        else:
            refusal = find_call_refusal(arguments, handed) or run.programs.find_refusal(self._model, run.data)
        if refusal is not None:
            _log.info("Training with the HyperModel's own fit and Keras' own loop: %s.", refusal)
            return self._train_by_keras(arguments)
        call = read_fit_call(arguments, handed)
        _log.info(
            "Training with whole-epoch programs on %s, as the HyperModel's own fit asks.", keras.backend.backend()
        )
        self._asked_for_rates = True
        run.follow(call)
        history = train_whole_epochs(run, call)
        self._n_reported += len(run.epochs) - run.resumed_from
        return history

    def _mind_own_rates(self, arguments: Mapping[str, Any]) -> None:
        """Leave the learning rate to the fit where it sets one itself."""
        callbacks = flatten_callbacks(arguments["callbacks"])
        setters = sorted({type(callback).__name__ for callback in callbacks if isinstance(callback, RATE_CALLBACKS)})
        if setters:
            self._run.leave_annealing_out(f"the space's fit sets the learning rate itself, by {' and '.join(setters)}")

    def _train_by_keras(self, arguments: Mapping[str, Any]) -> keras.callbacks.History:
        run = self._run
        if run.resumed_from:
            if self._n_calls > 1:
                self._begin_anew(CALLS_AGAIN)
            self._refuse_other_optimizer()
            if arguments["initial_epoch"] != run.resumed_from:
                self._begin_anew("the space's fit did not hand initial_epoch on to model.fit")
        given = {name: value for name, value in arguments.items() if name != "self"}
        augmented = self._augment(given)
        self._is_plain = self._is_plain or augmented is None
        try:
            return self._keras_fit(**(given if augmented is None else augmented))
        finally:
            self._batches = None

    def _augment(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the call's arguments with images augmented anew each epoch; None where it passes data of its own."""
        run, handed = self._run, self._handed
        plan, batch_size = run.plan, read_batch_size(given)
        hands_on = (
            given["x"] is handed.x
            and given["y"] is handed.y
            and not given["validation_split"]
            and given["sample_weight"] is None
            and given["steps_per_epoch"] is None
            and handed.reporter in flatten_callbacks(given["callbacks"])
        )
        is_measured_as_given = same_pair(given["validation_data"], handed.validation_data)
        if plan.augmentation is None or not hands_on or batch_size is None:
            return None
        targets, measured = handed.y, given["validation_data"]
        if plan.augmentation.mixes:
            if not is_measured_as_given:
                return None
            run.accept_soft_targets()
            targets = to_targets(run.data.train, run.plan.settled_labels)
            measured = measured and validation_arrays(run.data, run.plan.settled_labels)
        plan = replace(run.plan, batch_size=batch_size, shuffle=bool(given["shuffle"]))
        self._batches = EpochBatches(run.data.train, targets, plan)
        own = {"x": self._batches, "y": None, "validation_data": measured, "batch_size": None, "shuffle": False}
        if measured is not None and given["validation_batch_size"] is None:
            own["validation_batch_size"] = batch_size
        return {**given, **own}

    def _begin_epoch(self, number: int) -> NDArray[np.float32] | None:
        run = self._run
        self._check_first(number)
        epoch = len(run.epochs) + 1
        if self._batches is not None:
            self._batches.draw(epoch=epoch)
        if run.plan.annealing is not None and self._is_recompiled():
            run.leave_annealing_out("the space's fit compiles the model anew")
        self._asked_for_rates = True
        return run.learning_rates(epoch)

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
        self._is_plain = self._is_plain or self._batches is None
        self._n_reported += 1
        # A loop of its own may count from 1, or begin again with each call of `model.fit`.
        run.finish_epoch(len(run.epochs) + 1, logs, duration_s)

    def _check_first(self, number: int) -> None:
        """Look whether the first epoch (from 1) is the one to which the run was restored."""
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
        return self._model.optimizer is not self._handed.optimizer

    def _refuse_other_optimizer(self) -> None:
        if self._is_recompiled():
            self._begin_anew(RECOMPILES)

    def _refuse_other_model(self) -> None:
        trained = self._handed.reporter.model
        if trained is self._model:
            return
        own = {id(variable) for variable in self._model.variables}
        if not any(id(variable) in own for variable in trained.variables):
            raise NoEpochReportedError(
                "The HyperModel's fit trained another model than it was given, whose weights would be lost. Expected "
                "it to train the model that build returned."
            )

    def _begin_anew(self, reason: str) -> None:
        run = self._run
        run.ended_by = BeginAnewError(resumed_from=run.resumed_from, reason=reason)
        raise run.ended_by


def _describe(returned: Any) -> str:
    if isinstance(returned, int | float):
        return f"the number {returned:g}, of which nobody knows whether it is to be large or small"
    return "nothing" if returned is None else f"a {type(returned).__name__}"
