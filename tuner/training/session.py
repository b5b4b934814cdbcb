"""The state of a whole process: Keras' seeds, graphs and caps on `fit`, and the program of its last model."""

import gc
import importlib.util
from collections.abc import Callable, Mapping

import keras

from tuner.errors import TunerError
from tuner.training.programs.cache import ProgramCache

#: Variable that makes Keras shorten every `fit` without a word in its result → the limit that Keras has read from it.
FIT_CAPS: Mapping[str, Callable[[], int | None]] = {
    "KERAS_MAX_EPOCHS": keras.config.max_epochs,
    "KERAS_MAX_STEPS_PER_EPOCH": keras.config.max_steps_per_epoch,
}

#: The program of the last model that this process trained, unless `train` is given another cache.
PROGRAMS = ProgramCache()


class FitCappedError(TunerError):
    """The environment shortens every training run."""


def import_for_seeding() -> None:
    """Import what seeding needs: Keras seeds TensorFlow too, on any backend, where it is installed."""
    if importlib.util.find_spec("tensorflow") is not None:
        importlib.import_module("tensorflow")


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and the backend; call it before a model is built, whose weights and dropout seeds it fixes."""
    keras.utils.set_random_seed(seed)


def read_fit_caps() -> dict[str, int]:
    """Return the limits that hold for every `fit` in this process, by the variable that sets them."""
    return {name: limit for name, read in FIT_CAPS.items() if (limit := read()) is not None}


def refuse_fit_caps() -> None:
    """Refuse to train where Keras would silently train less than asked.

    Raises:
        FitCappedError: `KERAS_MAX_EPOCHS` or `KERAS_MAX_STEPS_PER_EPOCH` is set.
    """
    capped = read_fit_caps()
    if capped:
        raise FitCappedError(
            f"Received {' and '.join(capped)} in the environment, which shorten every training run. "
            f"Expected neither: type `unset {' '.join(capped)}` and start again."
        )


def release_memory() -> None:
    """Free the memory of the last model; call it between trials, when no reference to the model is left.

    It resets the seed too: call `seed_everything` before the next model. JAX keeps its caches: 25 small trials in one
    process grew nothing, and with emptied caches each took 7 s instead of 3 (2 busy cores).
    """
    keras.utils.clear_session(free_memory=False)
    # Compiled functions and models refer to each other: only the collector frees them.
    gc.collect()
