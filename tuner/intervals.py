"""Confidence intervals of measured accuracies. Knows neither Keras nor Optuna."""

from math import erf, sqrt

from scipy.stats import binomtest


def wilson_interval(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the ends, in [0, 1], of Wilson's score interval for a share of `successes` out of `n`.

    Unlike the normal approximation it stays inside [0, 1] and keeps its coverage near 1, where accuracies are
    (Wilson 1927; Brown, Cai and DasGupta 2001).

    Args:
        successes: How many were right, from 0 to `n`.
        n: How many were asked, at least 1.
        z: Quantile of the normal distribution; 1.96 covers 95 %.

    Raises:
        ValueError: `n` is not positive, or `successes` is not between 0 and `n`.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"Received {successes} successes of {n}. Expected n of at least 1 and 0 to n successes.")
    ends = binomtest(successes, n).proportion_ci(confidence_level=erf(z / sqrt(2)), method="wilson")
    # The exact interval contains the share; rounding may leave 0 or 1 slightly outside.
    share = successes / n
    return max(0.0, min(share, float(ends.low))), min(1.0, max(share, float(ends.high)))
