"""Datasets on this machine, and space for artifacts."""

import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.artifacts import ArtifactStore
from tuner.doctor.finding import Finding
from tuner.errors import TunerError

if TYPE_CHECKING:
    from tuner.datasets.published.entry import CatalogueEntry

#: Below this a study of a few dozen trials may fill the disk.
_MIN_FREE_BYTES = 1024**3


def check_data(data_dir: Path) -> Finding:
    """Report which datasets are in the data folder, and whether they are complete."""
    from tuner.datasets.catalogue import CATALOGUE

    here = [name for name, entry in CATALOGUE.items() if entry.is_in_place(data_dir / name)]
    damaged = {
        name: problems for name, entry in CATALOGUE.items() if (problems := _find_damage(entry, data_dir / name))
    }
    if damaged:
        message = "; ".join(f"{name}: {', '.join(problems)}" for name, problems in damaged.items())
        fix = " && ".join(f"tuner dataset fetch {name}" for name in damaged)
        return Finding(check="data", ok=False, message=f"in {data_dir}, {message}", fix=fix)
    missing = [name for name, entry in CATALOGUE.items() if entry.publication and name not in here]
    message = f"{', '.join(here)} ready"
    if missing:
        message += f"; not in {data_dir}: {', '.join(missing)} (`tuner dataset fetch NAME`)"
    return Finding(check="data", ok=True, message=message)


def check_artifacts(url: str) -> Finding:
    """Write to the artifact store and measure the space left."""
    if "://" in url and not url.startswith("file://"):
        return _check_remote_artifacts(ArtifactStore(url))
    folder = nearest_existing(Path(url.removeprefix("file://")).absolute())
    fix = "export TUNER_ARTIFACTS=/a/folder/with/space"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"tuner")
    except OSError as error:
        message = f"{url} cannot be written: {error.strerror} ({folder})"
        return Finding(check="artifacts", ok=False, message=message, fix=fix)
    free = shutil.disk_usage(folder).free
    message = f"{url} is writable, {free / 1e9:.1f} GB free"
    if free < _MIN_FREE_BYTES:
        return Finding(check="artifacts", ok=False, message=f"{message}, expected at least 1 GB", fix=fix)
    return Finding(check="artifacts", ok=True, message=message)


def _find_damage(entry: "CatalogueEntry", folder: Path) -> list[str]:
    """Return what is wrong with a downloaded dataset; a dataset without any file here is not damaged."""
    from tuner.datasets.published.checksum import file_matches

    files = entry.publication.files if entry.publication else ()
    paths = {file: file.find_in(folder) for file in files}
    if not any(paths.values()):
        return []
    missing = [f"{file.name} is missing" for file, path in paths.items() if path is None]
    changed = [
        f"{path.name} is damaged" for file, path in paths.items() if path and file_matches(path, file.checksum) is False
    ]
    return missing + changed


def _check_remote_artifacts(store: ArtifactStore) -> Finding:
    probe = f".doctor-{uuid.uuid4().hex}"
    try:
        store.write(probe, b"tuner")
        store.delete(probe)
    except TunerError as error:
        return Finding(check="artifacts", ok=False, message=str(error), fix="export TUNER_ARTIFACTS=s3://BUCKET/FOLDER")
    return Finding(check="artifacts", ok=True, message=f"{store.url} is writable")


def nearest_existing(path: Path) -> Path:
    """Return the path, or its nearest parent folder that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
