"""A finished trial trained again from its values and seed, to see whether it comes out the same."""

import contextlib
from collections.abc import Iterator

from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.jobs.fitting import fit
from tuner.jobs.study_data import DataPlaces, load_search_data
from tuner.jobs.study_space import open_study_space
from tuner.spaces.registry import fixed_hyperparameters
from tuner.studies.definition import StudyDefinition
from tuner.studies.records import StudyRecord, TrialRecord
from tuner.training.plan import TrainingPlan


class NotReplayableError(TunerError):
    """The trial has no curve to compare with."""


class _AsFarAsBefore(Exception):  # noqa: N818 - no error: the pruned trial went no further
    pass


def replay_trial(record: StudyRecord, trial: TrialRecord, *, places: DataPlaces) -> Iterator[tuple[Epoch, Epoch]]:
    """Train the trial again, as many epochs as it had, and yield each epoch as it was and as it is now.

    Raises:
        NotReplayableError: The trial is not over, or failed before its first epoch.
        TunerError: The data cannot be read or are others than then.
    """
    if not trial.curve or trial.seed is None or trial.state not in {"complete", "pruned"}:
        raise NotReplayableError(
            f"Trial {trial.number} of study {record.name!r} is {trial.state}. Expected a complete or pruned one."
        )
    definition = StudyDefinition.from_stored(record.definition)
    epochs: list[Epoch] = []

    def on_epoch(result: Epoch) -> None:
        epochs.append(result)
        if len(epochs) == len(trial.curve):
            raise _AsFarAsBefore

    with contextlib.suppress(_AsFarAsBefore):
        fit(
            open_study_space(record.space, record.provenance),
            fixed_hyperparameters(trial.hyperparameters),
            load_search_data(
                definition, data_sha256=record.provenance["data_sha256"], pixels=record.pixels, places=places
            ),
            # All epochs of the plan, though the last ones are not trained: they shape a schedule of the model's own.
            TrainingPlan(
                epochs=definition.search.epochs,
                seed=trial.seed,
                batch_size=definition.search.batch_size,
                labels=definition.data.labels,
            ),
            objective=definition.objective,
            on_epoch=on_epoch,
            on_note=lambda _: None,
        )
    yield from zip(trial.curve, epochs, strict=True)
