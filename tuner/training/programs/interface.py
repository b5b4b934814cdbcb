"""What a whole-epoch program is made of and does, and what a backend's module provides."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.backends import BACKENDS
from tuner.training.augmentation import Augmenter
from tuner.training.epoch_draws import EpochDraws
from tuner.training.programs.feeding import PartImages


@dataclass(frozen=True, kw_only=True)
class ProgramImages:
    """What a program trains and measures on."""

    train: PartImages
    validation: PartImages | None


@dataclass(frozen=True, kw_only=True)
class EpochInputs:
    """What a backend makes a program of, beside the model."""

    images: ProgramImages
    #: Whether images go to the device chunk by chunk, see `feeding`; else all of them stay there.
    streamed: bool = False
    augmenter: Augmenter
    #: No more than there are images.
    batch_size: int
    validation_batch_size: int
    #: On a CPU, let XLA compile the loop over an epoch's batches as one program, see `xla`.
    xla_epoch: bool
    #: Whether validation returns the model's outputs too.
    with_answers: bool = False


class Measured(NamedTuple):
    """What a program found on the validation set."""

    #: Keras' logs without `val_`; empty without a validation set.
    logs: dict[str, float]
    #: The model's outputs, float32, shape (n, classes), where they were asked for.
    answers: NDArray[np.float32] | None = None


class EpochProgram(Protocol):
    """A model and its data on the device."""

    #: The model's traced steps, for another program of it; None where it would have no use for them.
    steps: Any

    def train_epoch(self, draws: EpochDraws) -> dict[str, float]:
        """Train one epoch; return Keras' logs, such as `loss` and `accuracy`."""

    def validate(self) -> Measured:
        """Measure the validation set."""

    def take_images(self, images: ProgramImages) -> None:
        """Train and measure on other images from now on; their arrays have the shapes and types of those before."""


class Backend(Protocol):
    """The module of a backend, `programs/NAME.py`."""

    #: Whether single steps are compiled by XLA anyway, so that a compiled epoch costs no further compilation.
    COMPILES_STEPS_WITH_XLA: bool

    def open_program(self, model: keras.Model, inputs: EpochInputs, *, steps: Any = None) -> EpochProgram:
        """Put the data on the device and prepare the program; it is compiled on its first call.

        Args:
            model: Built and compiled.
            inputs: What else it is made of.
            steps: Of another program of the same model, with labels of the same kind; None: there is none.
        """

    def read_values(self, variables: Sequence[Any]) -> list[Any]:
        """Return the values of Keras' variables, which stay what they are when the variables change."""

    def write_values(self, variables: Sequence[Any], values: Sequence[Any]) -> None:
        """Assign to each variable a value of its shape and type."""

    def count_gpus(self) -> int:
        """Return the number of GPUs that the backend sees."""

    def free_memory_bytes(self) -> int:
        """Return how much more the device in use can hold: a GPU's own memory, else this machine's."""

    def gradient(self, function: Callable[[Any], Any], point: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the gradient of a function with one number as its result, such as a sum of a model's outputs.

        Args:
            function: Of the backend's tensors, with Keras' operations; it assigns no variable.
            point: Where; the gradient has its shape.
        """

    def compile_answer(self, model: keras.Model) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Return a function that computes the model's outputs of a batch as one compiled call, and waits for them.

        It is compiled on its first call, for batches of that size.
        """

    def silence(self) -> None:
        """Turn off what the backend logs of devices that are not there and of retraced functions."""


def find_backend() -> Backend | None:
    """Return the module of the backend on which Keras runs; None where it has none, as Keras' torch."""
    name = keras.backend.backend()
    if name not in {backend.name for backend in BACKENDS}:
        return None
    # A module is the protocol's one instance: there is one backend a process.
    return cast("Backend", importlib.import_module(f"tuner.training.programs.{name}"))


@contextmanager
def caught_outputs(model: keras.Model) -> Iterator[list[Any]]:
    """In the block, append to the list what the model returns in each test step: a float32 tensor of the backend's.

    A test step computes the outputs, gives them to the metrics and forgets them; they are caught on that way.
    """
    outputs: list[Any] = []
    compute_metrics = model.compute_metrics

    def catch(x: Any, y: Any, y_pred: Any, *arguments: Any, **keywords: Any) -> Any:
        outputs.append(keras.ops.cast(y_pred, "float32"))
        return compute_metrics(x, y, y_pred, *arguments, **keywords)

    model.compute_metrics = catch
    try:
        yield outputs
    finally:
        del model.compute_metrics
