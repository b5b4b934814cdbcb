"""Files of arrays that scripts and notebooks hand over, and which databases have studies of them.

Several databases may share one `TUNER_HOME`. Beside `arrays-HASH.npz` lies `arrays-HASH.databases`, with a line for
each database in which a study of these arrays was created: a file goes when the last of them has none.
"""

import time
from collections.abc import Iterator
from pathlib import Path

#: Folder in `TUNER_HOME`.
FOLDER = "datasets"
#: Age of a file below which a study of it may be about to be stored.
_YOUNG_S = 24 * 3600


def note_use(arrays: Path, *, database: str) -> None:
    """Note that a study of these arrays is in a database, or about to be stored there.

    Args:
        arrays: The file, as `tuner.python.datasets.place_dataset` returns it.
        database: The database's URL without its password.
    """
    users = _users(arrays)
    arrays.touch()
    if database not in _read(users):
        with users.open("a", encoding="utf-8") as file:
            file.write(f"{database}\n")


def find_unused(home: Path, *, database: str, in_use: set[str]) -> Iterator[Path]:
    """Yield the files of which this database had studies, and has none any more.

    Args:
        home: `TUNER_HOME`.
        database: The URL without its password.
        in_use: Datasets of the studies that the database has.
    """
    for arrays in sorted((home / FOLDER).glob("arrays-*.npz")):
        is_young = time.time() - arrays.stat().st_mtime < _YOUNG_S
        if str(arrays) not in in_use and not is_young and database in _read(_users(arrays)):
            yield arrays


def other_users(arrays: Path, *, database: str) -> list[str]:
    """Return the other databases that have, or had, studies of these arrays."""
    return [other for other in _read(_users(arrays)) if other != database]


def drop_use(arrays: Path, *, database: str) -> None:
    """Note that a database has no study of these arrays any more; they are removed where no other one uses them."""
    others = other_users(arrays, database=database)
    if others:
        _users(arrays).write_text("".join(f"{other}\n" for other in others), encoding="utf-8")
        return
    for path in (arrays, _users(arrays)):
        path.unlink(missing_ok=True)


def _users(arrays: Path) -> Path:
    return arrays.with_suffix(".databases")


def _read(users: Path) -> list[str]:
    try:
        return users.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
