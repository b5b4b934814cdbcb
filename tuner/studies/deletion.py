"""Delete a study: its files, and its rows in the database."""

from tuner.artifacts import ArtifactStore
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study, delete_study


def remove_study(storage: Storage, artifacts: ArtifactStore, study: Study) -> None:
    """Delete the study with all its files; may be repeated after a failure.

    The files are deleted first, because without the study's rows they could not be found again. Files that workers
    write meanwhile are deleted afterwards.

    Raises:
        ArtifactNotRemovedError: Some files still exist, and so does the study.
    """
    artifacts.delete(study.folder)
    delete_study(storage, study)
    artifacts.delete(study.folder)
