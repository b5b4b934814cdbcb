"""How much of the training images the epochs of a trial see, where a search saves images besides epochs.

With `search.pruning.resource = "images"` the epochs up to the pruner's first decision show a small part of the images,
those up to the second a larger one, and all later ones the whole. Decisions stay where they are: all trials of a study
have seen the same images by each of them.
"""

import math

from tuner.studies.records.study import StudyRecord
from tuner.studies.sections.search import SearchSection

#: Decisions before which a part is shown; each part is `reduction_factor` times as large as the one before.
_N_PARTS = 2
#: No part has fewer images: of 144 digits, three steps, the first epoch's scores were little more than chance.
FEWEST_IMAGES = 1000


def image_shares(search: SearchSection) -> tuple[tuple[int, float], ...]:
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


def describe_images(record: StudyRecord) -> str | None:
    """Return a sentence on how many images the first epochs of a study's trials show; None where all show all."""
    shares = image_shares(SearchSection.model_validate(record.definition["search"]))
    if not shares:
        return None
    n_images = _count_images(record)
    told, first = [], 1
    for last, share in shares:
        shown = f"{100 * share:.0f} %"
        if n_images:
            shown = f"{min(n_images, max(math.ceil(share * n_images), FEWEST_IMAGES, len(record.class_names))):,}"
        told.append(f"{shown} in {f'epoch {first}' if first == last else f'epochs {first} to {last}'}")
        first = last + 1
    of_all = f" of {n_images:,}" if n_images else ""
    return f"Of the training images, trials see {' and '.join(told)}, and all{of_all} from epoch {first} on."


def _count_images(record: StudyRecord) -> int:
    """Return how many images trials train on; 0 where that is not stored."""
    pixels = record.pixels or {}
    n_images = sum(pixels.get("class_counts") or ()) - sum(pixels.get("validation_counts") or ())
    return min(n_images, record.definition["search"].get("train_images") or n_images)
