"""A training that costs a fraction of a second and whose curve shows every epoch lost, repeated or begun anew.

It stands in for the epoch program alone: the run, its checkpoints and its reports are the product's own. Each epoch's
result depends on the weights before it, on the seed and on the hyperparameters, all in the order of the epochs.
"""

import ctypes
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.training.programs.interface import Measured

#: Several, so that a worker can die between two of them; of a cohort each trial draws the last one for itself.
HYPERPARAMETERS = ("first", "second", "third", "learning_rate")
_N_WEIGHTS = 64


class Variable:
    """An array, to what reads and restores a model's variables."""

    def __init__(self) -> None:
        self.value: NDArray[np.float64] = np.zeros(_N_WEIGHTS)
        self.shape = self.value.shape
        self.dtype = "float64"

    def assign(self, value: NDArray[np.float64]) -> None:
        """Take over a copy."""
        self.value = np.array(value)


class Model:
    """As much of a Keras model as a training run asks for."""

    compiled = built = run_eagerly = True
    optimizer = None
    non_trainable_variables: tuple[Any, ...] = ()
    loss = "sparse_categorical_crossentropy"
    metrics: tuple[Any, ...] = ()

    def __init__(self, hyperparameters: Mapping[str, float]) -> None:
        self.hyperparameters = hyperparameters
        self.variables = self.weights = [Variable()]

    def __call__(self, images: NDArray[np.float32], *, training: bool) -> NDArray[np.float32]:
        """Answer, so that its latency can be measured."""
        del training
        return np.full((len(images), 10), 0.1, np.float32)

    def compute_metrics(self) -> None:
        """Be there, as a sign that what is measured is no metric of Keras'."""

    def _flatten_layers(self, **_: Any) -> list[Any]:
        return []


class Program:
    """An epoch program that waits and draws."""

    def __init__(self, model: Model, *, seed: int, epoch_s: float) -> None:
        self._model, self._seed, self._epoch_s = model, seed, epoch_s
        self._accuracy = 0.0

    def train_epoch(self, draws: Any) -> dict[str, float]:
        """Train; the draws are those of a real epoch and have its order, but not its number."""
        del draws
        _wait_in_one_call(self._epoch_s)
        return self.draw()

    def draw(self) -> dict[str, float]:
        """Draw an epoch's result."""
        (weights,) = self._model.variables
        weights.assign(next_weights(weights.value, self._model.hyperparameters, seed=self._seed))
        self._accuracy = accuracy_of(weights.value)
        return {"loss": 1.0 - self._accuracy, "accuracy": self._accuracy}

    def validate(self) -> Measured:
        """Return what the last epoch reached."""
        return Measured({"loss": 1.0 - self._accuracy, "accuracy": self._accuracy})


class Population:
    """Programs that wait together."""

    def __init__(self, models: Sequence[Model], *, seeds: Sequence[int], epoch_s: float) -> None:
        self._programs = [Program(model, seed=seed, epoch_s=epoch_s) for model, seed in zip(models, seeds, strict=True)]
        self._epoch_s = epoch_s
        self.members: list[int] = []

    def hold(self, members: Sequence[int]) -> None:
        """Train these from now on."""
        self.members = list(members)

    def release(self) -> None:
        """Train none."""
        self.members = []

    def leave(self, member: int) -> None:
        """Train this one no more."""
        self.members.remove(member)

    def train_epoch(self, draws: Mapping[int, Any]) -> dict[int, dict[str, float]]:
        """Train an epoch of each."""
        _wait_in_one_call(self._epoch_s)
        return {member: self._programs[member].draw() for member in draws}

    def validate(self, rows: Any) -> dict[int, Measured]:
        """Return what each reached in its last epoch."""
        del rows
        return {member: self._programs[member].validate() for member in self.members}

    def update_models(self, members: Iterable[int]) -> None:
        """Do nothing: the models are up to date."""

    def undo(self) -> None:
        """Never be called: there is always enough memory."""
        raise NotImplementedError


class _TimeSpec(ctypes.Structure):
    """C's `struct timespec`."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def _wait_in_one_call(seconds: float) -> None:
    """Wait as a backend trains: in a single call of C, which no signal's handler interrupts, unlike `time.sleep`."""
    libc = ctypes.CDLL(None)
    mutex = ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    # Not `time.time`, which a test may have set wrong.
    end = time.clock_gettime(time.CLOCK_REALTIME) + seconds
    libc.pthread_mutex_timedlock(mutex, ctypes.byref(_TimeSpec(int(end), int(end % 1 * 1e9))))


def build(hp: Any, _images: Any) -> Model:
    """Ask for the hyperparameters, as a builder does."""
    return Model({name: hp.Float(name, 0.0, 1.0) for name in HYPERPARAMETERS})


def next_weights(weights: NDArray[np.float64], values: Mapping[str, float], *, seed: int) -> NDArray[np.float64]:
    """Return the weights after one more epoch; the last of them counts epochs."""
    epoch = int(weights[-1]) + 1
    noise = np.random.default_rng([seed, epoch]).normal(size=_N_WEIGHTS)
    changed: NDArray[np.float64] = 0.9 * weights + noise + sum(values[name] for name in HYPERPARAMETERS)
    changed[-1] = epoch
    return changed


def accuracy_of(weights: NDArray[np.float64]) -> float:
    """Return a number in (0, 1) that any other weights would change."""
    return float(1.0 / (1.0 + np.exp(-np.mean(weights[:-1]) / 10)))


def undisturbed_curve(values: Mapping[str, float], *, seed: int, epochs: int) -> list[float]:
    """Return the validation accuracy of each epoch of a run that nothing happened to."""
    weights = Variable().value
    curve = []
    for _ in range(epochs):
        weights = next_weights(weights, values, seed=seed)
        curve.append(accuracy_of(weights))
    return curve
