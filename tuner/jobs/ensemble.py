"""Several models answering as one. Knows neither Keras nor Optuna.

Who votes is decided by what is known before anything is tested: a model's accuracy on validation images that it was not
trained on or, where it was trained on all images, the accuracy that its configuration had in the confirmations. A model
that is known to be far worse than the best one drags the vote down and is left out. Where every member has answered
held-out validation images, the vote itself is known too: one that is worse than its best member is not built.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: A member may have this many times the best one's known error, or this much more where errors are tiny.
_MOST_TIMES, _GRACE = 2.0, 0.02


def choose_members(known_accuracies: Sequence[float | None]) -> list[int]:
    """Return the positions of the models that vote.

    Args:
        known_accuracies: Of each model, in [0, 1], measured on images that it was not trained on, never on the test
            set. One of which nothing is known, None, votes.
    """
    least = min((1 - accuracy for accuracy in known_accuracies if accuracy is not None), default=0.0)
    # A hair more, so that rounding decides nothing.
    worst = max(_MOST_TIMES * least, least + _GRACE) + 1e-9
    return [position for position, accuracy in enumerate(known_accuracies) if accuracy is None or 1 - accuracy <= worst]


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
