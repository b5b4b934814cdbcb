"""Pictures that are there more than once: under two classes, within a class, or in the training and the test part.

Pictures are equal when all of their pixels are. Those of a single colour are left aside;
`tuner.datasets.pixels.decision` counts them.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.stored_rows import windows

#: Long enough that no two of a dataset's pictures share one by chance: of ten million, with a probability of 3e-6.
_DIGEST_BYTES = 8

PlaceOf = Callable[[int], str]


def count_copies(
    levels: NDArray[np.uint8], labels: NDArray[np.int64], class_names: Sequence[str], *, place_of: PlaceOf
) -> list[str]:
    """Return a warning where pictures of a training part stand under two classes, and one where a class has copies.

    Args:
        levels: uint8, shape (n, height, width, channels).
        labels: Indices into the names, shape (n,).
        class_names: Of all classes.
        place_of: From an index to where people find the picture.
    """
    equal = _find_equal(levels)
    doubtful = [indices for indices in equal if len(set(labels[indices].tolist())) > 1]
    n_copies = sum(len(indices) - 1 for indices in equal) - sum(len(indices) - 1 for indices in doubtful)
    warnings = []
    if doubtful:
        first = doubtful[0][0]
        second = next(index for index in doubtful[0] if labels[index] != labels[first])
        warnings.append(
            f"{sum(map(len, doubtful)):,} of {len(levels):,} pictures are equal to one of another class, such as "
            f"{place_of(first)} ({class_names[labels[first]]!r}) and {place_of(second)} "
            f"({class_names[labels[second]]!r}): correct their classes, or leave them out."
        )
    if n_copies:
        warnings.append(
            f"{n_copies:,} of {len(levels):,} pictures are copies of others of their class: scores are too high where "
            "one of them is trained on and another one validated or tested on."
        )
    return warnings


def count_leaks(
    train: tuple[NDArray[np.uint8], NDArray[np.int64]],
    test: tuple[NDArray[np.uint8], NDArray[np.int64]],
    *,
    place_of: PlaceOf,
    part: str = "test",
) -> list[str]:
    """Return a warning where pictures of another part are in the training part as well, else nothing.

    Args:
        train: Levels as in `count_copies`, and labels.
        test: The same of the other part.
        place_of: From an index of the other part to where people find the picture.
        part: `test` or `validation`.
    """
    trained, tested = _digest(train[0]), _digest(test[0])
    known = np.flatnonzero(np.isin(tested.digests, trained.digests))
    if not len(known):
        return []
    classes_of: dict[int, set[int]] = {}
    for place in np.flatnonzero(np.isin(trained.digests, tested.digests)).tolist():
        classes_of.setdefault(int(trained.digests[place]), set()).add(int(train[1][trained.indices[place]]))
    n_others = sum(
        int(test[1][tested.indices[place]]) not in classes_of[int(tested.digests[place])] for place in known.tolist()
    )
    others = f", {n_others:,} of them under another class" if n_others else ""
    text = (
        f"{len(known):,} of its {len(test[0]):,} pictures are in the training part as well{others}; the first is "
        f"{place_of(int(tested.indices[known[0]]))}. The {part} accuracy says less about new pictures: leave them out "
        "of one part."
    )
    return [text]


class _Digests(NamedTuple):
    """Of the pictures that have more than one colour: where each stands, and a number of its pixels; shapes (k,)."""

    indices: NDArray[np.intp]
    digests: NDArray[np.uint64]


def _digest(levels: NDArray[np.uint8]) -> _Digests:
    shows_something = np.empty(len(levels), np.bool_)
    digests = np.empty(len(levels), np.uint64)
    for window in windows(levels):
        flat = np.ascontiguousarray(levels[window]).reshape(window.stop - window.start, -1)
        shows_something[window] = flat.min(axis=1) < flat.max(axis=1)
        # 0.15 s for 70,000 pictures of 28 x 28 pixels.
        found = b"".join(hashlib.blake2b(picture.data, digest_size=_DIGEST_BYTES).digest() for picture in flat)
        digests[window] = np.frombuffer(found, np.uint64)
    indices = np.flatnonzero(shows_something)
    return _Digests(indices, digests[indices])


def _find_equal(levels: NDArray[np.uint8]) -> list[list[int]]:
    """Return the indices of equal pictures, a list for each picture that is there more than once, in their order."""
    indices, digests = _digest(levels)
    _, group_of, counts = np.unique(digests, return_inverse=True, return_counts=True)
    is_copied = counts[group_of] > 1
    equal: dict[int, list[int]] = {}
    for index, group in zip(indices[is_copied].tolist(), group_of[is_copied].tolist(), strict=True):
        equal.setdefault(group, []).append(index)
    return list(equal.values())
