"""Choose the models whose probabilities are averaged. Imports neither Keras nor Optuna.

The members are chosen by what is known before any test: a model's accuracy on validation images that it was not
trained on or, if it was trained on all images, the accuracy of its configuration in the confirmations. A model that is
far worse than the best one would lower the ensemble's accuracy and is left out. If every member has predictions for
held-out validation images, the ensemble's accuracy is known too: one that is worse than its best member is not built.
"""

from collections.abc import Sequence

#: A member's error may be this multiple of the best model's error, or larger by this amount if errors are tiny.
_MOST_TIMES, _GRACE = 2.0, 0.02


def choose_members(known_accuracies: Sequence[float | None]) -> list[int]:
    """Return the positions of the ensemble's members.

    Args:
        known_accuracies: The accuracy of each model, in [0, 1], measured on images that it was not trained on, never on
            the test set. A model whose accuracy is not known (None) becomes a member.
    """
    least = min((1 - accuracy for accuracy in known_accuracies if accuracy is not None), default=0.0)
    # The small term allows for rounding errors.
    worst = max(_MOST_TIMES * least, least + _GRACE) + 1e-9
    return [position for position, accuracy in enumerate(known_accuracies) if accuracy is None or 1 - accuracy <= worst]
