"""Artifacts that no study refers to any more: left by workers that were killed, or by studies deleted elsewhere."""

import re
from collections.abc import Iterator

import sqlalchemy as sa

from tuner.artifacts import ArtifactStore
from tuner.datasets.image_cache import ImageCache
from tuner.studies.lifecycle import find_studies
from tuner.studies.schema import slots, studies
from tuner.studies.showcase import shown_paths
from tuner.studies.storage import Storage

_CHECKPOINT = re.compile(r"(?P<study>[^/]+)/checkpoints/slot-(?P<slot>\d+)/")


def find_garbage(storage: Storage, artifacts: ArtifactStore) -> Iterator[str]:
    """Yield the paths of files that are neither a final's nor an unfinished slot's checkpoint, or never became whole.

    Files are listed first and rows read afterwards, so that what a worker writes meanwhile is not taken for garbage.
    """
    paths = artifacts.list("")
    with storage.reader.connect() as connection:
        rows = connection.execute(
            sa.select(studies.c.name, slots.c.id, slots.c.state, slots.c.outcome).join_from(slots, studies)
        ).all()
    unfinished = {(row.name, row.id) for row in rows if row.state in {"waiting", "leased"}}
    names = ("bundle", "predictions", "validation_predictions")
    kept = {row.outcome[name] for row in rows if row.outcome for name in names if row.outcome.get(name)}
    kept |= {path for study in find_studies(storage, []) for path in shown_paths(storage, study)}
    # A final's files are written before its slot names them.
    in_training = {row.name for row in rows if row.state == "leased"}
    for path in paths:
        checkpoint = _CHECKPOINT.match(path)
        if checkpoint:
            is_needed = (checkpoint["study"], int(checkpoint["slot"])) in unfinished
        else:
            is_needed = path in kept or path.split("/", maxsplit=1)[0] in in_training
        if not is_needed:
            yield path
    yield from artifacts.list_abandoned()


def find_unused_images(storage: Storage, cache: ImageCache) -> Iterator[str]:
    """Yield the keys of images that no study of this database trains on."""
    in_use = {study.provenance["data_sha256"] for study in find_studies(storage, [])}
    return (key for key in cache.list_keys() if key.partition("-")[0] not in in_use)
