"""Find artifacts that no study refers to, left by killed workers or by studies that were deleted elsewhere."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.artifacts import ENSEMBLES_FOLDER, ArtifactStore
from tuner.datasets.handed_arrays import find_unused
from tuner.datasets.image_cache import ImageCache
from tuner.studies.dashboard_content import shown_paths
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import deleted_folders, slots, studies
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.naming import is_study_folder
from tuner.studies.lifecycle import find_studies
from tuner.studies.slots.outcomes import Outcome, list_files
from tuner.studies.slots.stored_outcomes import read_outcome

_CHECKPOINT = re.compile(r"(?P<folder>[^/]+)/checkpoints/slot-(?P<slot>\d+)/")


def find_garbage(storage: Storage, artifacts: ArtifactStore) -> Iterator[str]:
    """Yield the paths of files that belong neither to a final nor to an unfinished slot, and of incomplete files.

    Files in folders of studies that this database never had are left out: see `find_foreign_folders`.

    Files are listed before the rows are read, so that a file that a worker writes meanwhile is not garbage.
    """
    paths = artifacts.list("")
    rows, outcomes = _read_slots(storage)
    unfinished = {(row.folder, row.id) for row in rows if row.state in {"waiting", "leased"}}
    kept = set(list_files(outcomes))
    kept |= {path for study in find_studies(storage, []) for path in shown_paths(storage, study)}
    # A final's files are written before its slot refers to them.
    in_training = {row.folder for row in rows if row.state == "leased"}
    foreign = _foreign(storage, paths)
    for path in paths:
        # Ensembles over studies are no study's, and may outlast theirs.
        if _top(path) in foreign or _top(path) == ENSEMBLES_FOLDER:
            continue
        checkpoint = _CHECKPOINT.match(path)
        if checkpoint:
            is_needed = (checkpoint["folder"], int(checkpoint["slot"])) in unfinished
        else:
            is_needed = path in kept or _top(path) in in_training
        if not is_needed:
            yield path
    yield from artifacts.list_abandoned()


def find_foreign_folders(storage: Storage, artifacts: ArtifactStore) -> list[str]:
    """Return the folders of studies that this database never had; another database may share the artifact store."""
    return sorted(_foreign(storage, artifacts.list("")))


@retried
def _read_slots(storage: Storage) -> tuple[Sequence[Any], list[Outcome]]:
    """Return the study's folder, the id and the state of each slot, and the outcomes of finals."""
    of_finals = sa.select(slots.c.stage, slots.c.outcome).where(
        slots.c.stage.in_(["retrain", "ensemble"]), slots.c.finished_at.is_not(None)
    )
    with storage.reader.connect() as connection:
        rows = connection.execute(
            sa.select(studies.c.folder, slots.c.id, slots.c.state).join_from(slots, studies)
        ).all()
        return rows, [read_outcome(row.stage, row.outcome) for row in connection.execute(of_finals)]


@retried
def _read_folders(storage: Storage) -> set[str]:
    """Return the folders of all studies that this database has or had."""
    with storage.reader.connect() as connection:
        return {
            *connection.scalars(sa.select(studies.c.folder)),
            *connection.scalars(sa.select(deleted_folders.c.folder)),
        }


def _foreign(storage: Storage, paths: Iterable[str]) -> set[str]:
    ours = _read_folders(storage)
    return {folder for folder in map(_top, paths) if is_study_folder(folder) and folder not in ours}


def _top(path: str) -> str:
    return path.split("/", maxsplit=1)[0]


def find_unused_arrays(storage: Storage, home: Path, *, database: str) -> Iterator[Path]:
    """Yield files of arrays that scripts handed over for studies which are deleted by now.

    Args:
        storage: The database.
        home: `TUNER_HOME`.
        database: Its URL without the password.
    """
    in_use = {study.definition.dataset for study in find_studies(storage, [])}
    return find_unused(home, database=database, in_use=in_use)


def find_unused_images(storage: Storage, cache: ImageCache) -> Iterator[str]:
    """Yield the keys of images that no study of this database trains on."""
    in_use = {study.provenance["data_sha256"] for study in find_studies(storage, [])}
    return (key for key in cache.list_keys() if key.partition("-")[0] not in in_use)
