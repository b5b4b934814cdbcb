"""Files and arrays beside the images that are not read: counted by their names, and described."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: What operating systems put into folders, besides names that begin with a dot.
_OF_THE_SYSTEM = frozenset({
    "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", "@eadir", "#recycle", "$recycle.bin",
    "system volume information", "lost+found", "__pycache__",
})  # fmt: skip
#: Tables that name pictures and their classes.
TABLE_NAMES = ("metadata.csv", "metadata.jsonl", "labels.csv")
#: Folders of these names, and arrays of these names behind `x_` and `y_`, are read as the validation set.
VALIDATION_PARTS = ("val", "valid", "validation")
#: Folders and files of these names are taken for a validation part.
VALIDATION_NAMES = frozenset({"validation", "val", "valid", "dev", "eval"})


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """How many files or arrays of each kind are not read."""

    #: What is counted, in the plural.
    unit: str = "files"
    #: By kind, such as `.heic` or `in sub-folders of a class`; empty where everything is read.
    counts: Mapping[str, int] = field(default_factory=dict)
    #: Kinds are names of single files or arrays: the number 1 is left out before them.
    kinds_are_names: bool = False
    #: Whether images for validation are among them.
    has_validation_part: bool = False

    def describe(self) -> str:
        """Return one line, or empty text where nothing is left out."""
        if not self.counts:
            return ""
        n_all = sum(self.counts.values())
        unit, verb = (self.unit, "were") if n_all > 1 else (self.unit.removesuffix("s"), "was")
        kinds = ", ".join(
            kind if self.kinds_are_names and count == 1 else f"{count:,} {kind}" for kind, count in self.counts.items()
        )
        advice = " A validation part is not used: a study holds out `data.validation_fraction` of the training images."
        return f"{n_all:,} {unit} {verb} not read: {kinds}.{advice if self.has_validation_part else ''}"


def is_hidden(path: Path) -> bool:
    """Say whether this file or folder is certainly no data, judged by its name."""
    return path.name.startswith(".") or path.name.lower() in _OF_THE_SYSTEM


def count_by_suffix(files: Iterable[Path]) -> Counter[str]:
    """Count files by their suffix in lower case."""
    return Counter(path.suffix.lower() or "without a suffix" for path in files)


def count_files(folder: Path) -> int:
    """Return how many files lie below a folder, without hidden ones."""
    n_files = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(Path(name))]
        n_files += sum(not is_hidden(Path(parent, name)) for name in names)
    return n_files
