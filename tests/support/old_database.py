"""A database of tuner 0.1.0 with its artifacts, from `tests/data/0.1.0`.

The study `finished` has its finals. Of the study `under-way` slot 0 was begun after slot 1, so that it is trial 1; its
third trial was killed after two of four epochs and has a checkpoint; two trials wait.
"""

import shutil
import sqlite3
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data" / "0.1.0"
ARTIFACTS = FOLDER / "artifacts"


def restore_old_database(folder: Path) -> str:
    """Put the database and its artifacts, as `artifacts`, into the folder; return the database's URL."""
    connection = sqlite3.connect(folder / "tuner.db")
    connection.executescript((FOLDER / "database.sql").read_text())
    connection.close()
    shutil.copytree(ARTIFACTS, folder / "artifacts")
    return f"sqlite:///{folder / 'tuner.db'}"
