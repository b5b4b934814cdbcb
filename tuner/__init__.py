"""Hyperparameter search for Keras image classifiers: studies, workers that lose nothing, honest finals.

The way down, each package importing only what stands below it:

    cli          what a person types; the terminal's progress
    dashboard    Optuna Dashboard, guarded, with our pages          doctor    what works on this machine
    workers      processes: the loop, the pool, heartbeats
    report       what a study found, as one HTML page
    jobs         the work of one slot: trial, confirmation, retraining, ensemble; preflight; planning
    bundles      what leaves: weights with their description; predict, submit
    training     one training run        spaces   model builders        studies   database, slots, outcomes, records
    datasets     readers, what pixels mean, downloads, splits, the test set
    objectives   what a search optimizes: the one table of what a score is
    space_ranges what a study searches in place of what a builder declares
    settings, artifacts, logs, training_settings, epochs, backends, class_metrics
    errors

From Python:

    >>> import tuner
    >>> definition = tuner.make_definition(space="mlp", dataset="digits", trials=10)
    >>> with tuner.open_storage("sqlite:///tuner.db") as storage:
    ...     tuner.create_study(storage, definition, data_dir=Path("data"))
    ...     record = tuner.load_study(storage, definition.name)

Workers are processes: start them with `tuner workers`. Names are imported when first used, so that `import tuner` costs
nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.artifacts import ArtifactStore
    from tuner.bundles.bundle import Bundle, read_bundle
    from tuner.bundles.prediction import predict_files
    from tuner.errors import TunerError
    from tuner.jobs.creation import create_study
    from tuner.report.page import write_report
    from tuner.studies.definition import StudyDefinition, make_definition, read_definition
    from tuner.studies.reading import load_study
    from tuner.studies.records import StudyRecord
    from tuner.studies.storage import Storage, open_storage

_HOMES = {
    "ArtifactStore": "tuner.artifacts",
    "Bundle": "tuner.bundles.bundle",
    "Storage": "tuner.studies.storage",
    "StudyDefinition": "tuner.studies.definition",
    "StudyRecord": "tuner.studies.records",
    "TunerError": "tuner.errors",
    "create_study": "tuner.jobs.creation",
    "load_study": "tuner.studies.reading",
    "make_definition": "tuner.studies.definition",
    "open_storage": "tuner.studies.storage",
    "predict_files": "tuner.bundles.prediction",
    "read_bundle": "tuner.bundles.bundle",
    "read_definition": "tuner.studies.definition",
    "write_report": "tuner.report.page",
}

__all__ = [
    "ArtifactStore",
    "Bundle",
    "Storage",
    "StudyDefinition",
    "StudyRecord",
    "TunerError",
    "create_study",
    "load_study",
    "make_definition",
    "open_storage",
    "predict_files",
    "read_bundle",
    "read_definition",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tuner' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
