"""Every random number of a study comes from its one seed."""

from typing import Literal

import numpy as np

Purpose = Literal["trial", "sampler", "confirmation", "final"]

#: Kept for ever: another number would give a stored study other seeds than it was begun with.
_PURPOSE_NUMBERS: dict[Purpose, int] = {"trial": 0, "sampler": 1, "confirmation": 2, "final": 3}


def derive_seed(study_seed: int, purpose: Purpose, *indices: int) -> int:
    """Return a seed in [0, 2³¹), the same on every machine for the same arguments.

    Args:
        study_seed: The study's own seed, at least 0.
        purpose: Seeds for different purposes are unrelated, also with equal indices.
        indices: What tells one use from another: a trial's number, a repeat; at least 0.
    """
    sequence = np.random.SeedSequence([study_seed, _PURPOSE_NUMBERS[purpose], *indices])
    # 31 bits: JAX refuses more as a signed integer, NumPy's RandomState more than 32.
    return int(sequence.generate_state(1)[0]) >> 1


def trial_seed(study_seed: int, number: int) -> int:
    """Return the seed of a trial's weights, data order and dropout, in [0, 2³¹)."""
    return derive_seed(study_seed, "trial", number)


def sampler_seed(study_seed: int, number: int) -> int:
    """Return the seed that draws a trial's hyperparameters, in [0, 2³¹)."""
    return derive_seed(study_seed, "sampler", number)
