"""The test set of a dataset that has none: a fifth of every class, the same images each time."""

from tuner.datasets.division.group_shares import describe_side
from tuner.datasets.division.splits import class_counts, divide_stratified
from tuner.datasets.images import LabelledImages

HELD_OUT_FRACTION = 0.2
_SEED = 0


def without_held_out(data: LabelledImages, *, name: str) -> LabelledImages:
    """Return what search may see of all labelled images.

    Raises:
        SplitError: A class has too few images.
    """
    return _divide(data, name)[0]


def describe_held_out(data: LabelledImages, rest: LabelledImages) -> list[str]:
    """Return how unequal the test set is to the rest where it was drawn by groups, else nothing."""
    if data.groups is None:
        return []
    whole = class_counts(data.without_validation())
    own = whole - class_counts(rest.without_validation())
    return [describe_side("test set that is held out", own, whole, share=HELD_OUT_FRACTION)]


def held_out(data: LabelledImages, *, name: str) -> LabelledImages:
    """Return the test set; only `tuner.datasets.test_set` may call it.

    Raises:
        SplitError: A class has too few images.
    """
    return _divide(data, name)[1].divided()


def _divide(data: LabelledImages, name: str) -> tuple[LabelledImages, LabelledImages]:
    return divide_stratified(
        data,
        fraction=HELD_OUT_FRACTION,
        seed=_SEED,
        purpose=f"{name} has no labelled test set: holding out {HELD_OUT_FRACTION} of it as one",
        remedy="Add images of this class (6 are always enough), leave the class out, or add a test set, such as a "
        "folder test/ beside train/.",
    )
