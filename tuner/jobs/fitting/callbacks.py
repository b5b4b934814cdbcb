"""Make the callbacks that a definition names, new ones for each model that is trained."""

from collections.abc import Callable

import keras

from tuner.errors import TunerError
from tuner.jobs.context import JobContext
from tuner.plain_values import Hyperparameters
from tuner.spaces.own_objects import find_own_object
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.slots.outcomes import ConfirmJob, RetrainJob
from tuner.training.callbacks import CallbackError, RunCallbacks

#: Returns the callbacks of a run whose hyperparameters are these.
OpenCallbacks = Callable[[Hyperparameters], RunCallbacks]
#: The stage that a preflight's trainings have.
CHECK = "check"


class CallbackNotFoundError(TunerError):
    """An import path leads to nothing."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"Cannot open callback {path!r}: {' '.join(reason.split())}")


class NotACallbackError(TunerError):
    """An import path leads to no Keras callback."""

    def __init__(self, path: str, found: object) -> None:
        super().__init__(
            f"{path} gave a {type(found).__name__}; expected a subclass of keras.callbacks.Callback whose constructor "
            "needs no argument, or a function without arguments that returns such a callback."
        )


def callbacks_of(context: JobContext, *, fold: int | None = None) -> OpenCallbacks:
    """Return what makes the callbacks for a slot's training, or for that of one fold."""
    job = context.lease.job
    params = {
        "study": context.study.name,
        "stage": context.lease.stage,
        "trial": job.trial if isinstance(job, ConfirmJob | RetrainJob) else context.lease.position,
        "repeat": job.repeat + 1 if isinstance(job, ConfirmJob | RetrainJob) else None,
        "augmented": job.augmented if isinstance(job, RetrainJob) else None,
        "fold": fold,
    }
    return lambda values: RunCallbacks(make_callbacks(context.study.definition), params | {"hyperparameters": values})


def tried_callbacks(definition: StudyDefinition) -> OpenCallbacks:
    """Return the same for a preflight: what they raise fails it."""
    params = {"study": definition.name, "stage": CHECK, "trial": 0, "repeat": None, "augmented": None, "fold": None}
    return lambda values: RunCallbacks(
        make_callbacks(definition), params | {"hyperparameters": values}, is_trial_of_them=True
    )


def make_callbacks(definition: StudyDefinition) -> dict[str, keras.callbacks.Callback]:
    """Return a new callback for each import path of the definition.

    Raises:
        CallbackNotFoundError: One cannot be imported.
        NotACallbackError: One is no callback.
        CallbackError: One cannot be made without arguments.
    """
    return {path: _make(path) for path in definition.callbacks}


def _make(path: str) -> keras.callbacks.Callback:
    _, found = find_own_object(path, expected="package.module:Callback", what="callbacks", refuse=CallbackNotFoundError)
    if not callable(found):
        raise NotACallbackError(path, found)
    try:
        made = found()
    except Exception as error:
        raise CallbackError(path, "its constructor", error) from error
    if not isinstance(made, keras.callbacks.Callback):
        raise NotACallbackError(path, made)
    return made
