"""What a learning-rate range test shows: where the loss begins to fall, falls fastest, is lowest, and diverges.

Knows NumPy alone, so that the report can draw it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.errors import TunerError

#: Standard deviation of the smoothing, as a fraction of all steps that were planned.
_SMOOTHING = 0.02
#: The loss has begun to fall when this share of its whole fall is behind it, and has diverged when it has lost the
#: other one again.
_BEGUN, _LOST = 0.1, 0.5
#: Losses count for the smoothing up to the first one and this multiple of it more.
_HIGHEST = 2.0
#: A smaller fall, as a share of the first loss, is taken for noise.
_LEAST_FALL = 0.05


class NoRangeError(TunerError):
    """The loss does not fall at any of the rates."""

    def __init__(self, curve: "RateCurve") -> None:
        super().__init__(
            f"No learning rate from {curve.rates[0]:.2g} to {curve.rates[-1]:.2g} lowers the loss with "
            f"{curve.optimizer}, so there is no range to write. Try others with --from and --to, or more --steps."
        )


@dataclass(frozen=True, kw_only=True)
class RateCurve:
    """Loss against learning rate of one optimizer, and what can be read from it; rates rise from step to step."""

    optimizer: str
    batch_size: int
    #: Of the steps that were taken.
    rates: tuple[float, ...]
    #: As measured, each on one batch; the last one before the run ended is finite.
    losses: tuple[float, ...]
    #: The losses without the noise of single batches.
    smoothed: tuple[float, ...]
    #: Rate of the lowest smoothed loss.
    lowest: float
    #: Rate at which the smoothed loss falls fastest per decade; None where it does not fall.
    steepest: float | None
    #: Rate from which on half of the fall is lost again, or the loss was not finite; None where neither happened.
    diverged: float | None
    #: Between these a search is worthwhile, after Smith: from where the loss begins to fall to where it is lowest. None
    #: where it does not fall.
    suggested: tuple[float, float] | None

    def require_range(self) -> tuple[float, float]:
        """Return the suggested range.

        Raises:
            NoRangeError: There is none.
        """
        if self.suggested is None:
            raise NoRangeError(self)
        return self.suggested


def read_curve(
    optimizer: str, rates: Sequence[float] | NDArray[np.float64], losses: Sequence[float], *, batch_size: int
) -> RateCurve:
    """Smooth the losses and find the rates that matter.

    Args:
        optimizer: Its name.
        rates: All planned rates, rising.
        losses: At least one, finite; fewer than rates when the run ended early.
        batch_size: Images of a step.
    """
    planned = np.asarray(rates, np.float64)
    taken = planned[: len(losses)]
    # One loss of 10^9 would lift the mean of all around it.
    smoothed = smooth(np.minimum(losses, losses[0] + _HIGHEST * abs(losses[0])), width=_SMOOTHING * len(planned))
    lowest = int(smoothed.argmin())
    fall = float(smoothed[0] - smoothed[lowest])
    has_fallen = lowest > 0 and fall >= _LEAST_FALL * abs(float(smoothed[0]))
    begun = int(np.argmax(smoothed <= smoothed[0] - _BEGUN * fall))
    lost = np.flatnonzero(smoothed[lowest:] >= smoothed[lowest] + _LOST * fall) + lowest
    diverged: float | None = None
    if has_fallen and len(lost):
        diverged = float(taken[lost[0]])
    elif len(losses) < len(planned):
        # The step at the last finite loss led to one that is not.
        diverged = float(taken[-1])
    return RateCurve(
        optimizer=optimizer,
        batch_size=batch_size,
        rates=tuple(taken.tolist()),
        losses=tuple(float(loss) for loss in losses),
        smoothed=tuple(smoothed.tolist()),
        lowest=float(taken[lowest]),
        steepest=_find_steepest(taken, smoothed, end=lowest) if has_fallen else None,
        diverged=diverged,
        suggested=(round_rate(taken[begun]), round_rate(taken[lowest])) if has_fallen else None,
    )


def smooth(losses: Sequence[float] | NDArray[np.float64], *, width: float) -> NDArray[np.float64]:
    """Return Gaussian means around each loss: float64, shape (n,).

    A mean of earlier losses alone, as fastai draws it, would move everything to higher rates.

    Args:
        losses: At least one.
        width: Standard deviation in steps.
    """
    values = np.asarray(losses, np.float64)
    steps = np.arange(len(values))
    weights = np.exp(-(((steps[:, None] - steps) / max(width, 1e-9)) ** 2) / 2)
    return np.asarray(weights @ values / weights.sum(axis=1), np.float64)


def round_rate(rate: float) -> float:
    """Return a rate with two digits, which is all that the test can tell."""
    return float(f"{rate:.1e}")


def _find_steepest(rates: NDArray[np.float64], smoothed: NDArray[np.float64], *, end: int) -> float:
    slopes = np.gradient(smoothed, np.log10(rates))
    return float(rates[int(slopes[: end + 1].argmin())])
