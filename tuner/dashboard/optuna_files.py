"""tuner's artifact store as Optuna sees it: read-only, with the files that `tuner.studies.dashboard_content` names."""

import io
from dataclasses import dataclass
from typing import BinaryIO

from optuna.artifacts.exceptions import ArtifactNotFound

from tuner.artifacts import ArtifactNotFoundError, ArtifactStore
from tuner.studies.dashboard_content import path_of_file
from tuner.studies.database.storage import Storage


@dataclass(frozen=True, kw_only=True)
class OptunaFiles:
    """The artifact store that `optuna_dashboard.wsgi` is given."""

    storage: Storage
    artifacts: ArtifactStore

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Open a file.

        Raises:
            ArtifactNotFound: No study has a file of that id.
        """
        path = path_of_file(self.storage, artifact_id)
        if path is None:
            raise ArtifactNotFound(f"No study has a file {artifact_id!r}.")
        try:
            return io.BytesIO(self.artifacts.read(path))
        except ArtifactNotFoundError as error:
            raise ArtifactNotFound(str(error)) from error

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:  # noqa: ARG002 - Optuna's protocol
        """Refuse: an uploaded file would belong to no study and would never be deleted."""
        raise io.UnsupportedOperation("Files are not uploaded through the dashboard.")

    def remove(self, artifact_id: str) -> None:  # noqa: ARG002 - Optuna's protocol
        """Refuse, as `write` does; `tuner study delete` removes a study's files."""
        raise io.UnsupportedOperation("Files are not removed through the dashboard.")
