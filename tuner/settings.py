"""The environment, read once, by the command line alone; everything else takes arguments."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tuner.errors import TunerError

#: Seconds that a lease lives without being renewed: a killed worker's trial goes on elsewhere after this long.
DEFAULT_LEASE_S = 30.0


class SettingError(TunerError):
    """An environment variable holds what it cannot mean."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where studies, data and artifacts live."""

    #: SQLAlchemy URL of the database that holds the studies; it may hold a password.
    storage: str = field(repr=False)
    #: Folder with one sub-folder for each downloaded dataset.
    data_dir: Path
    #: Folder or fsspec URL (`s3://…`) for checkpoints, bundles and predictions.
    artifacts: str
    #: Folder for what this machine keeps for itself: logs, and caches that may be removed at any time.
    home: Path
    #: Seconds that a worker's lease on a slot lives without being renewed.
    lease_s: float
    #: What a visitor of the dashboard must know, where it asks for it.
    dashboard_token: str | None = field(default=None, repr=False)

    @property
    def image_cache(self) -> Path:
        """Where images lie as this machine's processes map them."""
        return self.home / "cache" / "images"

    @property
    def program_cache(self) -> Path:
        """Where JAX keeps what it has compiled."""
        return self.home / "cache" / "programs"


def read_settings(environment: Mapping[str, str] = os.environ, *, storage: str | None = None) -> Settings:
    """Read the six `TUNER_…` variables that the README lists; the `--storage` flag wins over the first.

    Without them everything lives in `TUNER_HOME`, which is `.tuner/` below the current folder, and data in
    `~/.cache/tuner/data`.
    """
    home = Path(environment.get("TUNER_HOME") or ".tuner").expanduser().absolute()
    return Settings(
        storage=storage or environment.get("TUNER_STORAGE") or f"sqlite:///{home / 'tuner.db'}",
        data_dir=Path(environment.get("TUNER_DATA") or Path.home() / ".cache/tuner/data").expanduser(),
        artifacts=environment.get("TUNER_ARTIFACTS") or str(home / "artifacts"),
        home=home,
        lease_s=_read_seconds(environment, "TUNER_LEASE_S", default=DEFAULT_LEASE_S),
        dashboard_token=environment.get("TUNER_DASHBOARD_TOKEN") or None,
    )


def _read_seconds(environment: Mapping[str, str], name: str, *, default: float) -> float:
    text = environment.get(name)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise SettingError(f"Received {name}={text!r}. Expected a number of seconds above 0; unset it for {default:g}.")
    return seconds
