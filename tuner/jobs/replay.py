"""Train a finished trial again from its values and seed, to see whether the result is the same."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.jobs.fitting.fit import FitRequest, fit
from tuner.jobs.fitting.folds import plan_fold
from tuner.jobs.fitting.regime import plan_trial
from tuner.jobs.fitting.setup import open_search_setup
from tuner.jobs.study.data import DataPlaces, StudyData
from tuner.spaces.registry import fixed_hyperparameters
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord
from tuner.training.plan import TrainingPlan
from tuner.training.session import release_memory


class NotReplayableError(TunerError):
    """The trial has no curve to compare with."""


class _ReplayFinished(Exception):  # noqa: N818 - not an error: the trial ended here
    pass


@dataclass(frozen=True, kw_only=True)
class ReplayedEpoch:
    """One epoch as the study has stored it, and as it was now."""

    before: Epoch
    now: Epoch
    #: From 1; None in a study without folds.
    fold: int | None


def replay_trial(record: StudyRecord, trial: TrialRecord, *, places: DataPlaces) -> Iterator[ReplayedEpoch]:
    """Train the trial again for the same number of epochs, or folds, and yield each of them with its repetition.

    Raises:
        NotReplayableError: The trial is not finished, or failed before its first epoch.
        TunerError: The data cannot be read, or have changed.
    """
    if not trial.curve or trial.seed is None or trial.state not in {"complete", "pruned"}:
        raise NotReplayableError(
            f"Trial {trial.number} of study {record.name!r} is {trial.state}. Expected a complete or pruned one."
        )
    definition = StudyDefinition.from_stored(record.definition)
    plan = plan_trial(definition, seed=trial.seed)
    if not trial.folds:
        again = _replay(record, trial, plan, n_epochs=len(trial.curve), places=places)
        for before, now in zip(trial.curve, again, strict=True):
            yield ReplayedEpoch(before=before, now=now, fold=None)
    for fold in trial.folds:
        of_fold = plan_fold(plan, fold.number, n_folds=definition.data.folds or 0)
        again = _replay(record, trial, of_fold, n_epochs=len(fold.curve), places=places, fold=fold.number)
        for before, now in zip(fold.curve, again, strict=True):
            yield ReplayedEpoch(before=before, now=now, fold=fold.number)


def _replay(
    record: StudyRecord, trial: TrialRecord, plan: TrainingPlan, *, n_epochs: int, places: DataPlaces, fold: int = 1
) -> Sequence[Epoch]:
    definition = StudyDefinition.from_stored(record.definition)
    epochs: list[Epoch] = []

    def on_epoch(result: Epoch) -> None:
        epochs.append(result)
        if len(epochs) == n_epochs:
            raise _ReplayFinished

    release_memory()
    images = StudyData(
        definition=definition, data_sha256=record.provenance["data_sha256"], pixels=record.pixels, places=places
    )
    data = images.load_for_search(fold)
    setup = open_search_setup(definition, record.provenance, data.train.image_format)
    hyperparameters = fixed_hyperparameters(trial.hyperparameters)
    with contextlib.suppress(_ReplayFinished):
        fit(setup, FitRequest(hyperparameters=hyperparameters, data=data, plan=plan, on_epoch=on_epoch))
    return epochs
