"""From the labels in files to class indices."""

import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.reading import UnreadableDataError
from tuner.errors import TunerError, shorten

_MIN_CLASSES = 2
#: Characters of the classes' names in an error.
_LONGEST_LIST = 300
#: From here on floats skip whole numbers.
_LARGEST_EXACT = 2**53
#: Characters of a number; Python refuses to read numbers of more than 4,300 digits.
_LONGEST_NUMBER = 1000
#: What libraries write for a missing value.
_MISSING = frozenset({"nan", "na", "n/a", "#n/a", "none", "null", "<na>", "nat"})
#: Folders of datasets whose labels are pictures or texts, one for each picture.
_OF_SEGMENTATION = frozenset({
    "image", "images", "img", "imgs", "mask", "masks", "label", "labels", "annotation", "annotations", "segmentation",
    "segmentations", "groundtruth", "gt",
})  # fmt: skip
#: They join letters of many scripts, and parts of emoji.
_JOINERS = "\u200c\u200d"


class LabelOutsideClassesError(TunerError):
    """A label is the name of none of the dataset's classes."""

    def __init__(self, where: str, labels: NDArray[Any], class_names: tuple[str, ...]) -> None:
        received = ", ".join(shorten(shown_name(label)) for label in labels[:5])
        known = shorten(", ".join(map(shown_name, class_names)), width=_LONGEST_LIST)
        super().__init__(
            f"{where}: received the label {received}, expected one of the classes {known}. Correct the data."
        )


def shown_name(name: object) -> str:
    """Return a name for a line of text: in quotes where blanks or invisible characters would not show."""
    text = str(name)
    return text if text == text.strip() and text.isprintable() else ascii(text)


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
            remedy=_how_to_flatten(labels),
        )
    if labels.dtype.kind == "u" and labels.max(initial=0) > np.iinfo(np.int64).max:
        return labels.astype(np.str_)
    if labels.dtype.kind in "biu":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f" and np.array_equal(labels, np.rint(labels)) and np.isfinite(labels).all():
        return _whole_floats(labels, where)
    if labels.dtype.kind == "S":
        labels = _decode(labels, where)
    if labels.dtype.kind == "U":
        _check_text(labels, where)
        return normalise_text(labels)
    problem = f"labels are {labels.dtype}, expected whole numbers or text"
    if labels.dtype.kind == "f":
        place = int(np.flatnonzero(~(labels == np.rint(labels)) | ~np.isfinite(labels))[0])
        problem = f"the label of image {place} (counted from 0) is {labels[place]}, expected whole numbers or text"
    raise UnreadableDataError(where, problem, remedy="Store integers or class names.")


def _how_to_flatten(labels: NDArray[Any]) -> str:
    if labels.ndim == 2 and labels.shape[0] == 1:  # noqa: PLR2004 - a row
        return "Store them in one dimension, as by `labels.ravel()`."
    if labels.ndim == 2 and labels.dtype.kind in "biuf" and ((labels == 0) | (labels == 1)).all():  # noqa: PLR2004
        n_classes = (labels == 1).sum(axis=1)
        if (n_classes != 1).any():
            row = int(np.flatnonzero(n_classes != 1)[0])
            return f"Row {row} (counted from 0) has {n_classes[row]} classes: give each image one."
        return "Store one class a row: `labels.argmax(axis=1)` of this one-hot array."
    if labels.ndim > 2:  # noqa: PLR2004 - images
        return "These may be the images: check whether images and labels have changed places."
    return "Store one class an image."


def normalise_text(labels: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return names with accents in one spelling, whichever system wrote them (Unicode's NFC)."""
    names, inverse = np.unique(labels, return_inverse=True)
    return np.array([unicodedata.normalize("NFC", str(name)) for name in names], np.str_)[inverse]


def doubts_about(class_names: tuple[str, ...]) -> list[str]:
    """Return a sentence for each thing about the names that may be a mistake."""
    alike: dict[str, list[str]] = {}
    for name in class_names:
        alike.setdefault(_essence(name), []).append(name)
    doubts = [
        f"The classes {' and '.join(map(repr, names))} differ by case, blanks or zeros alone: give them one name if "
        "they are one class."
        for names in alike.values()
        if len(names) > 1
    ]
    doubts += [
        f"One of the classes is called {name!r}: leave these images out if it stands for a missing label."
        for name in class_names
        if name.strip().lower() in _MISSING or (name == "-1" and len(class_names) > _MIN_CLASSES)
    ]
    if {_essence(name) for name in class_names} <= _OF_SEGMENTATION:
        doubts.append(
            f"The classes are called {' and '.join(map(repr, class_names))}, as folders of pictures and of their masks "
            "or labels are: expected one folder, or one label, for each class."
        )
    doubts += [
        f"The name of the class {name!a} has characters that cannot be seen: rename it if they are no part of it."
        for name in class_names
        if any(_is_unseen(character) for character in name)
    ]
    return doubts


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf"} and character not in _JOINERS


def _essence(name: str) -> str:
    """Return a name without case, blanks, and zeros that change no number."""
    seen = "".join(character for character in name if character.isspace() or not _is_unseen(character))
    bare = " ".join(seen.split()).casefold()
    number = re.fullmatch(r"([+-]?)0*(\d{1,18})(?:\.0*)?", bare)
    return bare if number is None else str(int(number[1] + number[2]))


def _whole_floats(labels: NDArray[Any], where: Path | str) -> NDArray[np.int64]:
    largest = float(np.abs(labels).max(initial=0))
    if largest > _LARGEST_EXACT:
        problem = f"labels go up to {largest:g} as {labels.dtype}, in which whole numbers of that size run together"
        raise UnreadableDataError(where, problem, remedy="Store integers or class names.")
    return labels.astype(np.int64)


def _decode(labels: NDArray[np.bytes_], where: Path | str) -> NDArray[np.str_]:
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError as error:
        problem = f"the label {error.object!r} is no UTF-8"
        raise UnreadableDataError(where, problem, remedy="Store class names as text.") from error


def _check_text(labels: NDArray[np.str_], where: Path | str) -> None:
    for name in map(str, np.unique(labels)):
        is_text = name.isascii() or name.encode(errors="replace").decode() == name
        if is_text and name.strip() and name.strip().lower() != "nan":
            continue
        place = int(np.flatnonzero(labels == name)[0])
        problem = f"the label of image {place} (counted from 0) is {name!r}, expected a name"
        raise UnreadableDataError(where, problem, remedy="Name its class, or leave the image out.")


def name_classes(labels: NDArray[Any], *, where: str) -> tuple[str, ...]:
    """Return the class names among the labels, sorted: as numbers where all of them are, else as text.

    Raises:
        TooFewClassesError: There are fewer than two.
    """
    names = [str(name) for name in np.unique(labels)]
    if all(name.removeprefix("-").isdecimal() and len(name) <= _LONGEST_NUMBER for name in names):
        names.sort(key=int)
    if len(names) < _MIN_CLASSES:
        received = f"only the class {shorten(names[0])!r}" if names else "no images"
        raise TooFewClassesError(
            f"{where}: received {received}, expected at least two classes. Add images of another class."
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
        others = names[~np.char.isdecimal(names)]
        raise LabelOutsideClassesError(where, others if len(others) else names, class_names)
    outside = (labels < 0) | (labels >= len(class_names))
    if outside.any():
        raise LabelOutsideClassesError(where, np.unique(labels[outside]), class_names)
    return labels.astype(np.int64)
