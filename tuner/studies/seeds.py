"""Every random number of a study comes from its one seed."""

from typing import Literal

import numpy as np

# Kept for ever: another number would give a stored study other seeds than it was begun with.
_TRIAL, _SAMPLER, _FINALS, _WARM_START, _FOLD = 0, 1, {"confirm": 2, "retrain": 3}, 4, 5


def trial_seed(study_seed: int, number: int) -> int:
    """Return the seed of a trial's weights, data order and dropout, in [0, 2³¹)."""
    return _derive(study_seed, _TRIAL, number)


def sampler_seed(study_seed: int, number: int) -> int:
    """Return the seed that draws a trial's hyperparameters, in [0, 2³¹)."""
    return _derive(study_seed, _SAMPLER, number)


def warm_started_seed(study_seed: int, earlier_study: str) -> int:
    """Return the seed for the samplers of a study that goes on from an earlier one, in [0, 2³¹).

    With its own seed it would draw what the earlier study of the same seed has drawn.
    """
    return _derive(study_seed, _WARM_START, *earlier_study.encode())


def final_seed(study_seed: int, stage: Literal["confirm", "retrain"], trial: int, repeat: int) -> int:
    """Return the seed of one confirmation or retraining of a trial's configuration, in [0, 2³¹)."""
    return _derive(study_seed, _FINALS[stage], trial, repeat)


def fold_seed(seed: int, fold: int) -> int:
    """Return the seed of one fold's model, in [0, 2³¹), from that of its trial or confirmation; folds count from 1."""
    return _derive(seed, _FOLD, fold)


def _derive(study_seed: int, purpose: int, *indices: int) -> int:
    sequence = np.random.SeedSequence([study_seed, purpose, *indices])
    # 31 bits: JAX refuses more in a signed integer, NumPy's RandomState more than 32.
    return int(sequence.generate_state(1)[0]) >> 1
