"""How much of the training images the epochs of a trial see, where a search saves images besides epochs.

With `search.pruning.resource = "images"` the epochs up to the pruner's first decision show a small part of the images,
those up to the second a larger one, and all later ones the whole. Decisions stay where they are: all trials of a study
have seen the same images by each of them.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from tuner.epochs import Epoch

if TYPE_CHECKING:
    from tuner.studies.sections import SearchSection

#: Decisions before which a part is shown; each part is `reduction_factor` times as large as the one before.
_N_PARTS = 2


def image_shares(search: "SearchSection") -> tuple[tuple[int, float], ...]:
    """Return pairs of a last epoch and of the share of the images that epochs up to it show; none for all images."""
    if search.pruning.resource == "epochs":
        return ()
    factor, rung = search.pruning.reduction_factor, search.pruning.min_resource
    shares = []
    for left in range(_N_PARTS, 0, -1):
        # After a trial's last epoch nothing is decided.
        if rung < search.epochs:
            shares.append((rung, float(factor) ** -left))
        rung *= factor
    return tuple(shares)


def describe_images(curves: Iterable[Iterable[Epoch]]) -> str | None:
    """Return a sentence on how many images the epochs of trials have shown; None where all showed all."""
    seen = {epoch.epoch: epoch.images for curve in curves for epoch in curve if epoch.images is not None}
    if not seen:
        return None
    told = []
    for n_images, group in groupby(sorted(seen), key=seen.__getitem__):
        epochs = list(group)
        which = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
        told.append(f"{n_images:,} training images in {which}")
    return f"Trials saw {' and '.join(told)}, and all from epoch {max(seen) + 1} on."
