"""Where studies, data and artifacts live: the `TUNER_…` variables, by name in this module alone.

The command line reads them once; everything else takes `Settings`, or the one value that it needs, as an argument.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tuner.errors import TunerError

#: The variable of each field of `Settings`.
_VARIABLES = {
    "storage": "TUNER_STORAGE",
    "data_dir": "TUNER_DATA",
    "artifacts": "TUNER_ARTIFACTS",
    "home": "TUNER_HOME",
    "lease_s": "TUNER_LEASE_S",
    "dashboard_token": "TUNER_DASHBOARD_TOKEN",
    "images": "TUNER_IMAGES",
}


class SettingError(TunerError):
    """An environment variable has a value that is not possible."""


#: Kinds of URLs that fsspec opens, and that are lost with their process or cannot be written.
_NO_STORES = frozenset({
    "memory", "http", "https", "zip", "tar", "libarchive", "data", "git", "github", "reference", "filecache",
    "simplecache", "blockcache", "cached",
})  # fmt: skip
#: Kinds of stores that people mean, even with a slash too few.
_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hdfs", "sftp", "ssh", "smb", "file"})
#: Those of them whose URLs begin with a bucket.
_STORES_OF_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where studies, data and artifacts live."""

    #: SQLAlchemy URL of the database that holds the studies; it may hold a password.
    storage: str = field(repr=False)
    #: Folder with one sub-folder for each downloaded dataset.
    data_dir: Path
    #: Folder or fsspec URL (`s3://…`) for checkpoints, bundles and predictions.
    artifacts: str
    #: Folder for the logs of this machine, and for caches that may be removed at any time.
    home: Path
    #: Seconds that a worker's lease on a slot lives without being renewed; None for the default of `studies.slots`.
    lease_s: float | None = None
    #: The password of the dashboard, where it asks for one.
    dashboard_token: str | None = field(default=None, repr=False)
    #: Whether images stay on the device while a model trains, or are streamed to it; None: as they fit.
    images: Literal["resident", "streamed"] | None = None

    @property
    def image_cache(self) -> Path:
        """Folder of decoded images, which the processes of this machine share."""
        return self.home / "cache" / "images"

    @property
    def picture_cache(self) -> Path:
        """Folder of the decoded pictures of folders, which the processes of this machine share."""
        return self.home / "cache" / "pictures"

    @property
    def program_cache(self) -> Path:
        """Folder in which JAX keeps compiled programs."""
        return self.home / "cache" / "programs"

    def as_environment(self) -> dict[str, str]:
        """Return the variables from which a process that is started with them reads these settings."""
        values = {variable: getattr(self, field) for field, variable in _VARIABLES.items()}
        return {variable: str(value) for variable, value in values.items() if value is not None}


def read_settings(environment: Mapping[str, str] = os.environ, *, storage: str | None = None) -> Settings:
    """Read the `TUNER_…` variables that docs/settings.md lists; `storage`, the `--storage` flag, replaces the first.

    Without them everything is in `TUNER_HOME`, which is `.tuner/` below the current folder, and data in
    `~/.cache/tuner/data`.

    Raises:
        SettingError: A variable has a value that is not possible.
    """
    # A blank or a line break around a value is from where it was copied.
    given = {field: (environment.get(variable) or "").strip() or None for field, variable in _VARIABLES.items()}
    home = Path(given["home"] or ".tuner").expanduser().absolute()
    return Settings(
        storage=storage or given["storage"] or f"sqlite:///{home / 'tuner.db'}",
        data_dir=Path(given["data_dir"] or Path.home() / ".cache/tuner/data").expanduser(),
        artifacts=_check_artifacts(given["artifacts"] or str(home / "artifacts")),
        home=home,
        lease_s=_parse_seconds(given["lease_s"], variable=_VARIABLES["lease_s"]),
        dashboard_token=given["dashboard_token"] or None,
        images=_parse_images(given["images"]),
    )


def _check_artifacts(place: str) -> str:
    """Return a folder or URL that can keep what several processes write.

    Raises:
        SettingError: It is of a kind that is lost with a process or cannot be written, or lacks a slash or a bucket.
    """
    scheme, separator, rest = place.partition(":")
    expected = "Expected a folder, or a URL such as s3://bucket/folder."
    if separator and scheme.lower() in _NO_STORES:
        raise SettingError(
            f"Received {_VARIABLES['artifacts']}={place!r}. No other process could read there what one has written. "
            f"{expected}"
        )
    if separator and scheme.lower() in _STORES and not rest.startswith("//"):
        raise SettingError(
            f"Received {_VARIABLES['artifacts']}={place!r}, which would be a folder of that name. {expected}"
        )
    if separator and scheme.lower() in _STORES_OF_BUCKETS and not rest.removeprefix("//").partition("/")[0]:
        raise SettingError(f"Received {_VARIABLES['artifacts']}={place!r}, which names no bucket. {expected}")
    return place


def _parse_images(text: str | None) -> Literal["resident", "streamed"] | None:
    match text or "auto":
        case "auto":
            return None
        case "resident" | "streamed" as chosen:
            return chosen
    raise SettingError(
        f"Received {_VARIABLES['images']}={text!r}. Expected resident (all images stay on the device), streamed (a "
        "part at a time goes there), or auto, which streams those that do not fit."
    )


def _parse_seconds(text: str | None, *, variable: str) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise SettingError(
            f"Received {variable}={text!r}. Expected a number of seconds above 0; unset it for the default."
        )
    return seconds
