"""Names of studies: which are allowed, and the default."""

import re

from tuner.datasets.formats.file_formats import SUFFIXES

MAX_NAME_LENGTH = 100

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_FOLDER = re.compile(rf"{_NAME.pattern}-[0-9a-f]{{8}}")


def check_study_name(name: str) -> str:
    """Return the name if folders, URLs and shells take it unchanged.

    Raises:
        ValueError: It has other characters, begins with a dot or dash, or is too long.
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise ValueError(
            f"expected 1 to {MAX_NAME_LENGTH} letters (a to z), digits, '-', '_' or '.', with a letter or digit first"
        )
    return name


def default_study_name(*, dataset: str, space: str) -> str:
    """Return `<dataset>-<space>`; only the last part of a path or import path is used."""
    last_part = dataset.rstrip("/").rpartition("/")[2]
    dataset_word = next((last_part[: -len(end)] for end in SUFFIXES if last_part.lower().endswith(end)), last_part)
    space_word = space.rpartition(":")[2]
    name = _NOT_IN_NAME.sub("-", f"{dataset_word}-{space_word}").strip("-._")
    return name[:MAX_NAME_LENGTH] or "study"


def study_folder(name: str, uid: str) -> str:
    """Return the folder of a new study in the artifact store: its name, for people, and its identity."""
    return f"{name}-{uid[:8]}"


def is_study_folder(folder: str) -> bool:
    """Return whether the folder is named like a study's, of this or another database."""
    return _FOLDER.fullmatch(folder) is not None
