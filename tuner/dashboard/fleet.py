"""The values of the fleet page: what every worker and every study is doing."""

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from tuner.dashboard.pages import FleetValues, report_path
from tuner.plain_values import JSONObject
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.fleet import WorkerRecord, read_fleet, read_live_curves
from tuner.studies.lifecycle import Study, find_studies
from tuner.studies.progress import StudyProgress, count_failures

#: Seconds for which all visitors get the same values, so that many open pages cost no more than one; and the least
#: multiple of the reading time, because counting thousands of trials is work for the database.
_KEPT_S, _REST = 1.5, 4


@dataclass(kw_only=True)
class FleetWatch:
    """Reads the fleet at most every `_KEPT_S` seconds, and for a fifth of the time; used by several threads."""

    storage: Storage
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next_look: float = float("-inf")
    _last: FleetValues | None = None

    def now(self) -> FleetValues:
        """Return what the page shows now."""
        with self._lock:
            started = time.monotonic()
            if self._last is None or started >= self._next_look:
                self._last = describe_fleet(self.storage)
                ended = time.monotonic()
                self._next_look = ended + max(_KEPT_S, _REST * (ended - started))
            return self._last


def describe_fleet(storage: Storage) -> FleetValues:
    """Return what `tuner status --json` does, with each worker's live curve and each study's failures by kind."""
    fleet = read_fleet(storage)
    curves = read_live_curves(storage)
    failures = count_failures(storage)
    studies = {study.name: study for study in find_studies(storage, [])}
    return {
        "now": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "trials_per_hour": fleet.trials_per_hour,
        "time_left_s": fleet.time_left_s,
        "workers": [
            {
                **asdict(worker),
                "epochs": _planned_epochs(worker, studies),
                "objective": _describe_objective(studies.get(worker.study or "")),
                "curve": curves.get(worker.id, []) if worker.state == "training" else [],
            }
            for worker in fleet.workers
        ],
        "studies": [
            _describe_study(progress, studies[progress.name], failures.get(progress.name, {}))
            for progress in fleet.studies
            # A study may have been deleted in between.
            if progress.name in studies
        ],
    }


def _describe_study(progress: StudyProgress, study: Study, failures: Mapping[str, int]) -> JSONObject:
    return {
        **asdict(progress),
        "failures": failures,
        "objective": _describe_objective(study),
        "report_path": report_path(progress.name),
        "optuna_path": f"/dashboard/studies/{study.optuna_study_id}",
    }


def _describe_objective(study: Study | None) -> JSONObject | None:
    """Return how the page writes the study's scores."""
    return None if study is None else asdict(study.definition.objective)


def _planned_epochs(worker: WorkerRecord, studies: Mapping[str, Study]) -> int | None:
    study = studies.get(worker.study or "")
    return None if study is None else _epochs_of_stage(study.definition, worker.stage)


def _epochs_of_stage(definition: StudyDefinition, stage: str | None) -> int | None:
    search, folds = definition.search.epochs, definition.data.folds or 1
    by_stage = {
        "search": search * folds,
        "confirm": (definition.finals.confirm_epochs or search) * folds,
        "retrain": definition.finals.epochs or search,
    }
    return by_stage.get(stage or "")
