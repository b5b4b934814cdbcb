"""Hyperparameter search for Keras image classifiers: studies, workers that lose nothing, honest finals.

The way down, each package importing only what stands below it:

    python       what a person writes in a script or a notebook: `create_study` and the `Study` that it returns
    cli          what a person types; the terminal's progress
    dashboard    Optuna Dashboard, guarded, with our pages          doctor    what works on this machine
    workers      processes: the loop, the pool, heartbeats
    report       what a study found, as one HTML page
    jobs         the work of one slot: trial, confirmation, retraining, ensemble; preflight; planning
    bundles      what leaves: weights with their description; predict, submit
    training     one training run        spaces   model builders        studies   database, slots, outcomes, records
    datasets     readers, what pixels mean, downloads, splits, the test set
    objectives   what a search optimizes: the one table of what a score is
    space_ranges what a study searches in place of what a builder declares     image_ranges  what models take
    forking      processes that start in milliseconds
    settings, artifacts, logs, training_settings, epochs, backends, counters, class_metrics, intervals, summaries,
    free_memory
    setting_tables, plain_values    what tables of settings have in common; types of JSON and of hyperparameters
    extras       which packages only some uses need
    errors

From Python, in a script or a notebook, without a shell (docs/python.md):

    >>> import tuner
    >>> tuner.load_study("arrays-build")
    <Study 'arrays-build', done, 3 of 3 trials>

    study = tuner.create_study(build, (x, y), trials=20)    # build(hp), as KerasTuner calls it
    study.run()                                              # processes; again after an interruption
    model = study.best_model()                               # a plain keras.Model

Studies are those of the command line, in the same database. Names are imported when first used, so that `import tuner`
costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.bundles.bundle import Bundle, read_bundle
    from tuner.bundles.prediction import predict_files
    from tuner.errors import TunerError
    from tuner.python.opening import create_study, list_studies, load_study
    from tuner.python.study import Study
    from tuner.studies.definitions.definition import StudyDefinition
    from tuner.studies.definitions.making import read_definition
    from tuner.studies.records.finals import FinalRecord
    from tuner.studies.records.study import StudyRecord
    from tuner.studies.records.trial import TrialRecord

    __version__: str

_HOMES = {
    "Bundle": "tuner.bundles.bundle",
    "FinalRecord": "tuner.studies.records.finals",
    "Study": "tuner.python.study",
    "StudyDefinition": "tuner.studies.definitions.definition",
    "StudyRecord": "tuner.studies.records.study",
    "TrialRecord": "tuner.studies.records.trial",
    "TunerError": "tuner.errors",
    "create_study": "tuner.python.opening",
    "list_studies": "tuner.python.opening",
    "load_study": "tuner.python.opening",
    "predict_files": "tuner.bundles.prediction",
    "read_bundle": "tuner.bundles.bundle",
    "read_definition": "tuner.studies.definitions.making",
}

__all__ = [
    "Bundle",
    "FinalRecord",
    "Study",
    "StudyDefinition",
    "StudyRecord",
    "TrialRecord",
    "TunerError",
    "create_study",
    "list_studies",
    "load_study",
    "predict_files",
    "read_bundle",
    "read_definition",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("tuner")
    if name not in _HOMES:
        raise AttributeError(f"module 'tuner' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
