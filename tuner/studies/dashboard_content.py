"""What Optuna Dashboard shows of a study beside its trials: a note, a figure of the finals, files of the best trials.

It is stored in attributes of Optuna's *study*, because attributes of a finished trial can no longer be set, and in
files below the study's own folder, so that deleting the study removes them. Keys and formats are those of Optuna
Dashboard.

The study stores which stage is shown. A worker that finds another stage writes everything again. Keys and ids depend
only on the position of the content, so that a second write creates no second copy.
"""

import hashlib
import json
import mimetypes
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import optuna
import sqlalchemy as sa

from tuner.artifacts import ArtifactStore
from tuner.studies.database.optuna_tables import Attributes
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import slots, studies
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study

#: Study attribute: the stage that is shown, and the hash of the note that was written for it.
_SHOWN = "tuner:shown"
#: Prefix of Optuna Dashboard's study attributes for files of its trials.
_FILE_PREFIX = "dashboard:artifacts:"
_FIGURE_ID = "finals"
#: Folder below the study's folder.
_FOLDER = "dashboard"
_FILE_ID = re.compile(r"(?P<study>[0-9a-f]{8})-[0-9a-f-]{36}")


@dataclass(frozen=True, kw_only=True)
class ShownFile:
    """A file of one trial; the ending of its name says whether it is PNG, JSON or CSV."""

    trial: int
    name: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class DashboardContent:
    """Everything that is shown of a study in one stage."""

    #: Markdown text.
    note: str
    #: A Plotly figure; None before the finals.
    figure: Any
    files: Sequence[ShownFile]


def stage_of(study: Study) -> str:
    """Return a text that changes when the study enters another stage or its definition is extended."""
    whole = [study.state, study.budget, study.stop_reason, study.definition.finals.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def shown_stage(storage: Storage, study: Study) -> str | None:
    """Return the stage of the study that Optuna Dashboard shows, or None if it shows nothing."""
    return _stored_stage(_attributes(storage, study)).get("stage")


def publish_content(storage: Storage, artifacts: ArtifactStore, study: Study, content: DashboardContent) -> None:
    """Store what Optuna Dashboard shows; may be repeated, also by several workers at once.

    A note that a person has written or changed is not overwritten.

    Raises:
        ArtifactNotWrittenError: The artifact store refuses a file.
    """
    # Imported here, because Optuna Dashboard imports a web framework, which workers rarely need.
    from optuna_dashboard import get_note, save_note, save_plotly_graph_object

    attributes = _attributes(storage, study)
    optuna_study = optuna.load_study(study_name=study.name, storage=storage.optuna)
    named = _show_files(storage, artifacts, study, content.files)
    _remove_files(storage, artifacts, study, attributes, kept=named)
    if content.figure is not None:
        save_plotly_graph_object(optuna_study, content.figure, graph_object_id=_FIGURE_ID)
    note = get_note(optuna_study)
    if not note or _hash(note) == _stored_stage(attributes).get("note_sha256"):
        note = content.note
        save_note(optuna_study, note)
        written = _hash(note)
    else:
        written = _stored_stage(attributes).get("note_sha256", "")
    # Last, so that after a crash the stage is written again.
    storage.optuna.set_study_system_attr(
        study.optuna_study_id, _SHOWN, json.dumps({"stage": stage_of(study), "note_sha256": written})
    )


def shown_paths(storage: Storage, study: Study) -> set[str]:
    """Return the paths of the files that Optuna Dashboard shows of the study; none if the study was deleted."""
    try:
        named = _named_files(_attributes(storage, study))
    except KeyError:
        # Optuna raises it for a deleted study.
        return set()
    return {_file_path(study.folder, file) for file in named.values()}


@retried
def path_of_file(storage: Storage, file: str) -> str | None:
    """Return the path of a file in the artifact store, or None if its id belongs to no study."""
    known = _FILE_ID.fullmatch(file)
    if known is None:
        return None
    query = sa.select(studies.c.folder).where(studies.c.optuna_study_id == int(known["study"], 16))
    with storage.reader.connect() as connection:
        folder = connection.scalar(query)
    return None if folder is None else _file_path(folder, file)


def _show_files(
    storage: Storage, artifacts: ArtifactStore, study: Study, files: Sequence[ShownFile]
) -> dict[str, ShownFile]:
    """Write the files and return them by the keys of their attributes."""
    trial_ids = _trial_ids(storage, study)
    named = {}
    for file in files:
        file_id = (
            f"{study.optuna_study_id:08x}-{uuid5(NAMESPACE_URL, f'{study.created_at!r}/{file.trial}/{file.name}')}"
        )
        key = f"{_FILE_PREFIX}{trial_ids[file.trial]}:{file_id}"
        meta = {
            "artifact_id": file_id,
            "filename": file.name,
            "mimetype": mimetypes.guess_type(file.name)[0] or "application/octet-stream",
            "encoding": None,
        }
        # The attribute first, because `tuner gc` removes files that no study refers to.
        storage.optuna.set_study_system_attr(study.optuna_study_id, key, json.dumps(meta))
        artifacts.write(_file_path(study.folder, file_id), file.content)
        named[key] = file
    return named


def _remove_files(
    storage: Storage, artifacts: ArtifactStore, study: Study, attributes: Attributes, *, kept: Collection[str]
) -> None:
    """Remove the files of trials that are no longer among the best."""
    for key, file_id in _named_files(attributes).items():
        if key not in kept:
            artifacts.delete(_file_path(study.folder, file_id))
            # Attributes cannot be removed; Optuna Dashboard also writes null when it removes a file.
            storage.optuna.set_study_system_attr(study.optuna_study_id, key, json.dumps(None))


def _named_files(attributes: Attributes) -> dict[str, str]:
    """Return the ids of this package's files by the keys of their attributes."""
    named = {key: key.rpartition(":")[2] for key in attributes if key.startswith(_FILE_PREFIX)}
    return {
        key: file_id
        for key, file_id in named.items()
        if _FILE_ID.fullmatch(file_id) and json.loads(attributes[key]) is not None
    }


@retried
def _trial_ids(storage: Storage, study: Study) -> dict[int, int]:
    query = sa.select(slots.c.trial_number, slots.c.trial_id).where(
        slots.c.study_id == study.id, slots.c.stage == "search", slots.c.trial_id.is_not(None)
    )
    with storage.reader.connect() as connection:
        return {row.trial_number: row.trial_id for row in connection.execute(query)}


def _attributes(storage: Storage, study: Study) -> Attributes:
    attributes: Attributes = storage.optuna.get_study_system_attrs(study.optuna_study_id)
    return attributes


def _stored_stage(attributes: Attributes) -> Mapping[str, str]:
    stored: Mapping[str, str] = json.loads(attributes.get(_SHOWN, "{}"))
    return stored


def _file_path(study_folder: str, file_id: str) -> str:
    return f"{study_folder}/{_FOLDER}/{file_id}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
