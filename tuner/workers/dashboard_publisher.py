"""Write Optuna Dashboard's note, figure and files of a study whenever a worker finds them out of date."""

import logging
from collections.abc import Iterator

from tuner.artifacts import ArtifactStore
from tuner.errors import TunerError
from tuner.extras import is_installed
from tuner.studies.dashboard_content import DashboardContent, ShownFile, publish_content, shown_stage, stage_of
from tuner.studies.database.errors import DatabaseAwayError
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study, StudyNotFoundError, find_study
from tuner.studies.records.reading import load_outline
from tuner.studies.records.study import StudyRecord

_log = logging.getLogger(__name__)

#: Number of finals whose misclassified images are shown with their trials.
_BEST = 3


class DashboardPublisher:
    """Keeps Optuna Dashboard's content up to date; queries the database once for each stage of a study."""

    def __init__(self, storage: Storage, artifacts: ArtifactStore) -> None:
        self._storage = storage
        self._artifacts = artifacts
        #: The formats are Optuna Dashboard's own. Where it is not installed, the next worker that has it writes.
        self._can_write = is_installed("optuna_dashboard")
        #: The stage that is shown, by the study's identity.
        self._known: dict[str, str] = {}

    def publish(self, study: Study) -> None:
        """Publish the study's present stage if another one is shown; do nothing if the study was deleted."""
        if not self._can_write or self._known.get(study.uid) == stage_of(study):
            return
        try:
            self._known[study.uid] = self._show(study.name)
        except (KeyError, StudyNotFoundError):
            # Optuna's error and ours for a study that was deleted meanwhile.
            _log.debug("study %r is gone", study.name)
        except DatabaseAwayError:
            raise
        except TunerError as error:
            # All results are stored; only their display is missing, and `tuner report` does not need it.
            _log.warning("Optuna Dashboard does not show the present state of study %r: %s", study.name, error)
            self._known[study.uid] = stage_of(study)

    def _show(self, name: str) -> str:
        """Publish the study's present stage and return it."""
        while True:
            study = find_study(self._storage, name)
            stage = stage_of(study)
            # Read again after each write, because another worker may have overwritten a newer stage with an older one.
            if shown_stage(self._storage, study) == stage:
                return stage
            record = load_outline(self._storage, name)
            publish_content(self._storage, self._artifacts, study, make_dashboard_content(record, self._artifacts))


def make_dashboard_content(record: StudyRecord, artifacts: ArtifactStore) -> DashboardContent:
    """Create what Optuna Dashboard shows of a study in its present state."""
    from tuner.report.note import write_note

    if record.state not in {"done", "stopped"} or not record.finals:
        return DashboardContent(note=write_note(record), figure=None, files=())
    # Imported here, because Plotly takes a second and 60 MB.
    from tuner.report.plots.finals import finals_figure

    return DashboardContent(
        note=write_note(record), figure=finals_figure(record), files=tuple(_files(record, artifacts))
    )


def _files(record: StudyRecord, artifacts: ArtifactStore) -> Iterator[ShownFile]:
    from tuner.report.finals_results import read_fitting_predictions, tested_runs
    from tuner.report.pictures import picture_files

    for final in sorted(record.finals, key=lambda one: one.rank)[:_BEST]:
        path = next((run.predictions for _, run in tested_runs(final) if run.predictions), None)
        if path is None:
            continue
        try:
            predictions = read_fitting_predictions(record, artifacts, path)
        except TunerError as error:
            # The report shows this warning too.
            _log.warning(
                "trial %d of study %r is shown without its misclassified images: %s", final.trial, record.name, error
            )
            continue
        for picture in picture_files(predictions, record.class_names):
            yield ShownFile(trial=final.trial, name=picture.name, content=picture.content)
