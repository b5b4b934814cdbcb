"""Predictions of many files as a CSV file or as JSON, and a summary of them. Imports no Keras."""

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tuner.bundles.outputs import open_output

if TYPE_CHECKING:
    from tuner.bundles.prediction import Prediction

_COLUMNS = ("file", "class", "probability")
#: Bytes of JSON that are kept in memory; what is longer waits in a temporary file.
_BYTES_IN_MEMORY = 2**24


@dataclass(kw_only=True)
class Tally:
    """A summary of predictions, counted as they are made."""

    class_names: Sequence[str]
    n: int = 0
    by_class: Counter[str] = field(default_factory=Counter)
    #: Files in folders that are named after a class, and how many of them the model assigns to it.
    n_in_class_folders: int = 0
    n_as_folder: int = 0

    def counted(self, predictions: "Iterable[Prediction]") -> "Iterator[Prediction]":
        """Pass the predictions on and count them."""
        known = set(self.class_names)
        for prediction in predictions:
            self.n += 1
            self.by_class[prediction.class_name] += 1
            if prediction.folder in known:
                self.n_in_class_folders += 1
                self.n_as_folder += prediction.folder == prediction.class_name
            yield prediction


def write_csv(
    predictions: "Iterable[Prediction]", place: Path | str, *, class_names: Sequence[str], probabilities: bool
) -> None:
    """Write `file,class,probability` and, if asked for, one column for each class with its probability.

    Args:
        predictions: In the order of the rows.
        place: A file or a URL, written as a whole or not at all; an existing file is replaced.
        class_names: In the model's order. A class with the name of another column has `class` before its name.
        probabilities: Whether to write those of all classes.

    Raises:
        OutputNotWrittenError: The file cannot be written.
    """
    of_classes = [f"class {name}" if name in _COLUMNS else name for name in class_names] if probabilities else []
    # File names that are no UTF-8 keep their bytes.
    with (
        open_output(place, option="--out") as path,
        path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*_COLUMNS, *of_classes])
        for one in predictions:
            shares = [f"{share:.9g}" for share in one.probabilities.values()] if probabilities else []
            rows.writerow([one.file, one.class_name, f"{one.probability:.9g}", *shares])


@contextmanager
def as_json_file(predictions: "Iterable[Prediction]") -> Iterator[IO[str]]:
    """Yield a file to read, at its beginning, with `[{file, class, probability, probabilities}]` of all predictions."""
    with tempfile.SpooledTemporaryFile(_BYTES_IN_MEMORY, "w+", encoding="ascii") as file:
        file.write("[")
        separator = "\n"
        for one in predictions:
            written = {
                "file": str(one.file),
                "class": one.class_name,
                "probability": one.probability,
                "probabilities": dict(one.probabilities),
            }
            text = json.dumps(written, indent=2, allow_nan=False).replace("\n", "\n  ")
            file.write(f"{separator}  {text}")
            separator = ",\n"
        file.write("\n]\n" if separator != "\n" else "]\n")
        file.seek(0)
        yield file
