"""The environment, read once, by the command line alone; everything else takes arguments."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where studies, data and artifacts live."""

    #: SQLAlchemy URL of the database that holds the studies.
    storage: str
    #: Folder with one sub-folder for each downloaded dataset.
    data_dir: Path
    #: Folder or fsspec URL (`s3://…`) for checkpoints, bundles and predictions.
    artifacts: str


def read_settings(environment: Mapping[str, str] = os.environ, *, storage: str | None = None) -> Settings:
    """Read `TUNER_STORAGE`, `TUNER_DATA` and `TUNER_ARTIFACTS`; `storage` (the `--storage` flag) wins over the first.

    Without them everything lives in `.tuner/` below the current folder, and data in `~/.cache/tuner/data`.
    """
    home = Path.cwd() / ".tuner"
    return Settings(
        storage=storage or environment.get("TUNER_STORAGE") or f"sqlite:///{home / 'tuner.db'}",
        data_dir=Path(environment.get("TUNER_DATA") or Path.home() / ".cache/tuner/data").expanduser(),
        artifacts=environment.get("TUNER_ARTIFACTS") or str(home / "artifacts"),
    )
