"""From the labels in people's files to class indices."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.reading import UnreadableDataError
from tuner.errors import TunerError

_MIN_CLASSES = 2


class LabelOutsideClassesError(TunerError):
    """A label names none of the dataset's classes."""

    def __init__(self, where: str, labels: NDArray[Any], class_names: tuple[str, ...]) -> None:
        received = ", ".join(str(label) for label in labels[:5])
        known = ", ".join(class_names[:20]) + (", …" if len(class_names) > 20 else "")  # noqa: PLR2004 - one line
        super().__init__(
            f"{where}: received the label {received}, expected one of the classes {known}. Correct the data."
        )


class TooFewClassesError(TunerError):
    """A classifier needs at least two classes."""


def clean_labels(labels: NDArray[Any], *, where: Path | str) -> NDArray[Any]:
    """Return labels as int64 or text, shape (n,).

    Raises:
        UnreadableDataError: They are neither whole numbers nor text, or not one for each image.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:  # noqa: PLR2004 - a column
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise UnreadableDataError(
            where,
            f"labels have the shape {labels.shape}, expected (n,)",
            remedy="Store one class a row, such as `labels.argmax(axis=1)` of a one-hot array.",
        )
    if labels.dtype.kind in "biu":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f" and np.array_equal(labels, np.rint(labels)) and np.isfinite(labels).all():
        return labels.astype(np.int64)
    if labels.dtype.kind == "U":
        return labels
    raise UnreadableDataError(
        where, f"labels are {labels.dtype}, expected whole numbers or text", remedy="Store integers or class names."
    )


def name_classes(labels: NDArray[Any], *, where: str) -> tuple[str, ...]:
    """Return the class names among the labels, sorted: as numbers where all of them are, else as text.

    Raises:
        TooFewClassesError: There are fewer than two.
    """
    names = [str(name) for name in np.unique(labels)]
    if all(name.removeprefix("-").isdecimal() for name in names):
        names.sort(key=int)
    if len(names) < _MIN_CLASSES:
        raise TooFewClassesError(
            f"{where}: received {f'only the class {names[0]!r}' if names else 'no images'}, expected at least two "
            "classes. Add images of another class."
        )
    return tuple(names)


def index_by_name(labels: NDArray[Any], class_names: tuple[str, ...], *, where: str) -> NDArray[np.int64]:
    """Return the place of each label's name among the class names.

    Raises:
        LabelOutsideClassesError: A label is not among them.
    """
    index_of = {name: index for index, name in enumerate(class_names)}
    found, inverse = np.unique(labels, return_inverse=True)
    indices = np.array([index_of.get(str(name), -1) for name in found], np.int64)
    if (indices < 0).any():
        raise LabelOutsideClassesError(where, found[indices < 0], class_names)
    return indices[inverse]


def index_by_number(labels: NDArray[Any], class_names: tuple[str, ...], *, where: str) -> NDArray[np.int64]:
    """Return the labels, which must already be indices into the class names.

    Raises:
        LabelOutsideClassesError: A label is no such index.
    """
    if labels.dtype.kind not in "iu":
        names = np.unique(labels)
        raise LabelOutsideClassesError(where, names[~np.char.isdecimal(names)], class_names)
    outside = (labels < 0) | (labels >= len(class_names))
    if outside.any():
        raise LabelOutsideClassesError(where, np.unique(labels[outside]), class_names)
    return labels.astype(np.int64)
