"""How the learning rate falls (or first rises) over a run: each rule says the rate of every step of an epoch.

| rule      | changes        | uses                                                                    |
|-----------|----------------|-------------------------------------------------------------------------|
| plateau   | between epochs | monitor, patience, factor, min_lr, min_delta, cooldown                  |
| cosine    | every step     | min_lr, warmup_epochs                                                   |
| one-cycle | every step     | min_lr, warmup_epochs (the rise; 0 means 30 % of the run)               |
| step      | between epochs | factor, every_epochs, min_lr, warmup_epochs (its rise changes each step)|

The model's own learning rate is the highest rate of every rule.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tuner.epochs import Epoch
from tuner.errors import TunerError

Rule = Literal["plateau", "cosine", "one-cycle", "step"]
Monitor = Literal["val_loss", "val_accuracy", "loss", "accuracy"]

#: One-cycle begins at a 25th of the highest rate and ends at a 10,000th of that: PyTorch's `OneCycleLR`, after Smith &
#: Topin, arXiv:1708.07120, as is the rise over 30 % of the run.
ONE_CYCLE_START, ONE_CYCLE_END, ONE_CYCLE_RISE = 1 / 25, 1 / 25e4, 0.3

logger = logging.getLogger(__name__)


class AnnealingError(TunerError):
    """The learning rate cannot be annealed as asked."""


@dataclass(frozen=True, kw_only=True)
class Annealing:
    """Which rule, and its numbers."""

    rule: Rule
    #: Plateau: what must improve. Without a validation set `val_` is dropped.
    monitor: Monitor = "val_loss"
    #: Plateau: epochs without improvement before the rate falls.
    patience: int = 3
    #: Plateau and step: the rate is multiplied by it; between 0 and 1, both excluded.
    factor: float = 0.5
    #: No rule goes below it; a model that begins below it keeps its own rate.
    min_lr: float = 0.0
    #: Plateau: a smaller change is no improvement.
    min_delta: float = 1e-4
    #: Plateau: epochs to wait after the rate fell.
    cooldown: int = 0
    #: Cosine, one-cycle and step: epochs of rising rate at the start; fewer than the run has.
    warmup_epochs: int = 0
    #: Step: the rate falls after so many epochs.
    every_epochs: int = 1

    def __post_init__(self) -> None:
        if self.rule not in ("plateau", *CURVES):
            raise ValueError(f"Received rule={self.rule!r}. Expected plateau, cosine, one-cycle or step.")
        if self.monitor not in ("val_loss", "val_accuracy", "loss", "accuracy"):
            raise ValueError(f"Received monitor={self.monitor!r}. Expected val_loss, val_accuracy, loss or accuracy.")
        if not 0 < self.factor < 1:
            raise ValueError(f"Received factor={self.factor}. Expected a number between 0 and 1, both excluded.")
        if self.rule == "plateau" and self.warmup_epochs:
            raise ValueError("Received warmup_epochs with rule='plateau'. Expected cosine, one-cycle or step.")
        for name, lowest in (("patience", 1), ("every_epochs", 1), ("cooldown", 0), ("warmup_epochs", 0)):
            if getattr(self, name) < lowest:
                raise ValueError(f"Received {name}={getattr(self, name)}. Expected {lowest} or more.")


class LearningRates(Protocol):
    """A rule at work in one run."""

    def of_epoch(self, epoch: int) -> NDArray[np.float32]:
        """Return the rate of each step of this epoch (from 1): float32, shape (steps,)."""

    def observe(self, result: Epoch) -> None:
        """Take the finished epoch into account."""

    def state(self) -> dict[str, float]:
        """Return what a resumed run needs to go on exactly; finite numbers, JSON can hold them."""

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from a `state`."""


def start_annealing(
    annealing: Annealing, *, highest_rate: float, epochs: int, steps_per_epoch: int, has_validation: bool
) -> LearningRates:
    """Set a rule to work.

    Raises:
        AnnealingError: The warm-up is as long as the run.
    """
    if annealing.warmup_epochs >= epochs:
        raise AnnealingError(
            f"Received {annealing.warmup_epochs} warm-up epochs for a run of {epochs}. "
            f"Expected fewer: lower annealing.warmup_epochs or raise the epochs."
        )
    if annealing.rule != "plateau":
        return Curve(annealing, highest_rate=highest_rate, epochs=epochs, steps_per_epoch=steps_per_epoch)
    monitor = annealing.monitor
    if not has_validation and monitor.startswith("val_"):
        monitor = "loss" if monitor == "val_loss" else "accuracy"
        logger.info("No validation set: the plateau rule watches %s instead of %s.", monitor, annealing.monitor)
    return Plateau(annealing, monitor=monitor, rate=highest_rate, steps_per_epoch=steps_per_epoch)


class Plateau:
    """Lower the rate when the monitored value stops improving: Keras' `ReduceLROnPlateau`, with a state to store."""

    def __init__(self, annealing: Annealing, *, monitor: Monitor, rate: float, steps_per_epoch: int) -> None:
        self._annealing, self._monitor, self._steps = annealing, monitor, steps_per_epoch
        self._sign = -1 if monitor.endswith("loss") else 1
        self._rate, self._best, self._wait, self._cooldown = float(np.float32(rate)), -math.inf, 0, 0

    def of_epoch(self, epoch: int) -> NDArray[np.float32]:
        del epoch
        return np.full(self._steps, self._rate, np.float32)

    def observe(self, result: Epoch) -> None:
        measured: float | None = getattr(result, self._monitor)
        if measured is None:
            raise AnnealingError(
                f"Received no {self._monitor} from epoch {result.epoch}. "
                f"Expected the builder to compile the model with metrics=['accuracy'], or set annealing.monitor."
            )
        current = measured * self._sign
        if self._cooldown:
            self._cooldown -= 1
            self._wait = 0
        if current - self._annealing.min_delta > self._best:
            self._best, self._wait = current, 0
        elif not self._cooldown:
            self._wait += 1
            if self._wait >= self._annealing.patience and self._rate > np.float32(self._annealing.min_lr):
                lowered = max(self._rate * self._annealing.factor, self._annealing.min_lr)
                self._rate = float(np.float32(lowered))
                self._wait, self._cooldown = 0, self._annealing.cooldown

    def state(self) -> dict[str, float]:
        best = {} if math.isinf(self._best) else {"best": self._best}
        return {"rate": self._rate, "wait": self._wait, "cooldown": self._cooldown, **best}

    def restore(self, state: Mapping[str, float]) -> None:
        self._rate, self._best = state["rate"], state.get("best", -math.inf)
        self._wait, self._cooldown = int(state["wait"]), int(state["cooldown"])


class Curve:
    """A rate that depends on nothing but the step."""

    def __init__(self, annealing: Annealing, *, highest_rate: float, epochs: int, steps_per_epoch: int) -> None:
        self._annealing, self._highest, self._steps = annealing, highest_rate, steps_per_epoch
        self._lowest = min(annealing.min_lr, highest_rate)
        self._total = epochs * steps_per_epoch

    def of_epoch(self, epoch: int) -> NDArray[np.float32]:
        steps = np.arange((epoch - 1) * self._steps, epoch * self._steps)
        shares = CURVES[self._annealing.rule](self._annealing, steps, self._steps, self._total)
        return np.maximum(self._highest * shares, self._lowest).astype(np.float32)

    def observe(self, result: Epoch) -> None:
        """Do nothing: what was measured does not matter here."""

    def state(self) -> dict[str, float]:
        return {}

    def restore(self, state: Mapping[str, float]) -> None:
        """Do nothing: there is no state."""


#: Share of the highest rate at each of these steps (from 0), given steps an epoch and steps in total.
CurveFunction = Callable[[Annealing, NDArray[np.int64], int, int], NDArray[np.float64]]


def _cosine_share(annealing: Annealing, steps: NDArray[np.int64], per_epoch: int, total: int) -> NDArray[np.float64]:
    warmup = annealing.warmup_epochs * per_epoch
    falling = _half_cosine((steps - warmup) / (total - warmup))
    return np.where(steps < warmup, (steps + 1) / max(warmup, 1), falling)


def _one_cycle_share(annealing: Annealing, steps: NDArray[np.int64], per_epoch: int, total: int) -> NDArray[np.float64]:
    rise = annealing.warmup_epochs * per_epoch or max(round(ONE_CYCLE_RISE * total), 1)
    rising = 1 - (1 - ONE_CYCLE_START) * _half_cosine(steps / rise)
    falling = ONE_CYCLE_END + (1 - ONE_CYCLE_END) * _half_cosine((steps - rise) / max(total - 1 - rise, 1))
    return np.where(steps < rise, rising, falling)


def _step_share(annealing: Annealing, steps: NDArray[np.int64], per_epoch: int, total: int) -> NDArray[np.float64]:
    del total
    warmup = annealing.warmup_epochs * per_epoch
    falls = (steps // per_epoch) // annealing.every_epochs
    return np.where(steps < warmup, (steps + 1) / max(warmup, 1), annealing.factor ** falls.astype(np.float64))


def _half_cosine(progress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fall from 1 at progress 0 to 0 at progress 1."""
    return (1 + np.cos(np.pi * np.clip(progress, 0, 1))) / 2


CURVES: Mapping[str, CurveFunction] = {
    "cosine": _cosine_share,
    "one-cycle": _one_cycle_share,
    "step": _step_share,
}
