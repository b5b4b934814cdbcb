import os
from pathlib import Path

from tuner.artifacts import ArtifactStore
from tuner.datasets.handed_arrays import drop_use, note_use
from tuner.studies.dashboard_content import shown_paths
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.database.url import printable_url
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.garbage import find_foreign_folders, find_garbage, find_unused_arrays
from tuner.studies.lifecycle import Study, delete_study, insert_study
from tuner.studies.slots.claims import claim_slot


def test_garbage_is_what_is_left_of_this_databases_studies_alone(
    storage: Storage, study: Study, definition: StudyDefinition, artifacts: ArtifactStore, tmp_path: Path
) -> None:
    gone = insert_study(
        storage, definition.model_copy(update={"name": "gone"}), class_names=["0"], provenance={"data_sha256": ""}
    )
    delete_study(storage, gone)
    with open_storage(f"sqlite:///{tmp_path / 'another.db'}") as another:
        foreign = insert_study(another, definition, class_names=["0"], provenance={"data_sha256": ""})
    lease = claim_slot(storage, owner="w")
    assert lease is not None
    kept = [
        f"{study.folder}/checkpoints/slot-{lease.slot_id}/1-odd.npz",
        f"{foreign.folder}/checkpoints/slot-1/1-odd.npz",
        f"{foreign.folder}/finals/trial-0-repeat-1.bundle",
        "ensembles/4a77e44f2fa5.bundle",
    ]
    left = [
        f"{gone.folder}/checkpoints/slot-1/1-odd.npz",
        f"{study.folder}/checkpoints/slot-4711/1-odd.npz",
        "of-0.1.0/finals/trial-0-repeat-1.bundle",
    ]
    for path in (*kept, *left):
        artifacts.write(path, b"x")

    garbage = list(find_garbage(storage, artifacts))

    assert sorted(garbage) == sorted(left)
    assert find_foreign_folders(storage, artifacts) == [foreign.folder]


def test_handed_over_arrays_go_with_the_last_study_of_the_last_database_that_used_them(
    storage: Storage, definition: StudyDefinition, tmp_path: Path
) -> None:
    own, other = printable_url("postgresql://me:secret@host/studies"), "sqlite:///other.db"
    arrays = {name: tmp_path / "datasets" / f"arrays-{name}.npz" for name in ("used", "gone", "shared", "young")}
    arrays["used"].parent.mkdir()
    for name, path in arrays.items():
        path.write_bytes(name.encode())
        note_use(path, database=own)
        if name != "young":
            os.utime(path, (0, 0))
    note_use(arrays["shared"], database=other)
    os.utime(arrays["shared"], (0, 0))
    insert_study(
        storage,
        definition.model_copy(update={"name": "used", "dataset": str(arrays["used"])}),
        class_names=["0"],
        provenance={"data_sha256": ""},
    )

    unused = list(find_unused_arrays(storage, tmp_path, database=own))
    for path in unused:
        drop_use(path, database=own)

    assert unused == [arrays["gone"], arrays["shared"]]
    assert not list(tmp_path.glob("datasets/arrays-gone*"))
    assert arrays["shared"].is_file()
    assert (tmp_path / "datasets/arrays-shared.databases").read_text() == f"{other}\n"
    assert "secret" not in own


def test_a_study_that_is_deleted_meanwhile_shows_no_files(storage: Storage, study: Study) -> None:
    delete_study(storage, study)

    assert shown_paths(storage, study) == set()
