"""Several models answering as one. Knows neither Keras nor Optuna."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def soft_vote(probabilities: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    """Return the mean of the members' probabilities.

    Args:
        probabilities: For each member an array of shape (n, classes), rows in the same order of images.

    Returns:
        float32, shape (n, classes); its largest entry in a row is the ensemble's answer.

    Raises:
        ValueError: No member, or members of different shapes.
    """
    shapes = {member.shape for member in probabilities}
    if len(shapes) != 1:
        raise ValueError(f"Received shapes {sorted(shapes)}. Expected at least one member, all of the same shape.")
    # float64, so that the vote does not depend on the order of the members.
    return np.asarray(np.mean(np.stack(probabilities), axis=0, dtype=np.float64), np.float32)
