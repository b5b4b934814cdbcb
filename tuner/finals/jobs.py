"""The work of one slot after the search: a confirmation, a retraining with its one test, the ensemble."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import keras
import sqlalchemy as sa

from tuner.artifacts import ArtifactStore
from tuner.datasets.images import LabelledImages
from tuner.errors import TunerError
from tuner.finals.bundle import BundleDescription, Provenance, write_bundle
from tuner.finals.ensemble import soft_vote
from tuner.finals.evaluation import Predictions, read_predictions, write_predictions
from tuner.finals.fitting import Schedule, fit, scored_outcome
from tuner.finals.study_data import (
    DataPlaces,
    DataUnavailableError,
    load_data_for_own_fit,
    load_final_data,
    load_search_data,
)
from tuner.finals.study_space import open_study_space
from tuner.finals.test_part import open_test_set
from tuner.spaces.registry import fixed_hyperparameters
from tuner.spaces.space import Space
from tuner.studies.definition import StudyDefinition
from tuner.studies.lifecycle import Study
from tuner.studies.schema import slots
from tuner.studies.slots import Lease
from tuner.studies.storage import Storage
from tuner.training.annealing import Annealing
from tuner.training.augmentation import Augmentation
from tuner.training.checkpoint import Checkpoint
from tuner.training.plan import TrainingData
from tuner.training.predictions import predict_probabilities
from tuner.training.progress import OnEpoch

_log = logging.getLogger(__name__)

#: Said of each retraining whose data are others than `finals.train_on` asks.
RETRAINED_ON_TRAIN = (
    "Retrained on the training images without the validation images: the fit is the space's own, and is given those to "
    "validate on."
)


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """Where a job finds its data and leaves its files."""

    storage: Storage
    artifacts: ArtifactStore
    places: DataPlaces
    study: Study
    lease: Lease
    #: Called after each epoch; may raise to end the job.
    on_epoch: OnEpoch

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the slot's training is kept until its outcome is stored."""
        folder = f"{checkpoints_folder(self.study)}/slot-{self.lease.slot_id}"
        return Checkpoint(self.artifacts, folder, writer=self.lease.token)


def checkpoints_folder(study: Study) -> str:
    """Return where the checkpoints of a study's unfinished slots are."""
    return f"{study.name}/checkpoints"


def run_confirmation(context: JobContext) -> dict[str, Any]:
    """Train a configuration again as the search did, with another seed."""
    definition = context.study.definition
    job = context.lease.job
    notes: list[str] = []
    fitted = fit(
        open_study_space(definition.space, context.study.provenance),
        fixed_hyperparameters(job["hyperparameters"]),
        load_search_data(definition, data_sha256=context.study.provenance["data_sha256"], places=context.places),
        Schedule(
            epochs=definition.finals.confirm_epochs or definition.search.epochs,
            seed=job["seed"],
            batch_size=definition.search.batch_size,
            labels=definition.data.labels,
        ),
        on_epoch=context.on_epoch,
        on_note=notes.append,
        checkpoint=context.checkpoint,
    )
    return scored_outcome("complete", fitted.epochs, job["hyperparameters"], notes=notes)


def run_retraining(context: JobContext) -> dict[str, Any]:
    """Retrain a configuration with augmentation and annealing, then test it: once, at the last epoch."""
    definition = context.study.definition
    job = context.lease.job
    data = load_final_data(definition, data_sha256=context.study.provenance["data_sha256"], places=context.places)
    notes: list[str] = []

    def open_data_for_own_fit() -> TrainingData:
        if definition.finals.train_on != "train":
            notes.append(RETRAINED_ON_TRAIN)
            _log.warning("%s", RETRAINED_ON_TRAIN)
        return load_data_for_own_fit(
            definition, data_sha256=context.study.provenance["data_sha256"], places=context.places
        )

    space = open_study_space(definition.space, context.study.provenance)
    fitted = fit(
        space,
        fixed_hyperparameters(job["hyperparameters"]),
        data,
        retraining_schedule(definition, seed=job["seed"], augmented=job["augmented"]),
        on_epoch=context.on_epoch,
        on_note=notes.append,
        checkpoint=context.checkpoint,
        data_for_own_fit=open_data_for_own_fit,
    )
    model, epochs = fitted.model, fitted.epochs
    tested = _test(context, model)
    return {
        "state": "complete",
        "test_accuracy": tested.accuracy,
        "val_accuracy": epochs[-1].val_accuracy,
        "curve": [asdict(epoch) for epoch in epochs],
        "bundle": _store_bundle(context, space, model, data.train, tested.accuracy),
        "predictions": f"{_final_path(context)}.npz",
        "augmented": fitted.augmented,
        "notes": notes,
    }


def retraining_schedule(definition: StudyDefinition, *, seed: int, augmented: bool) -> Schedule:
    """Return how a study retrains a configuration."""
    finals = definition.finals
    return Schedule(
        epochs=finals.epochs,
        seed=seed,
        batch_size=definition.search.batch_size,
        augmentation=Augmentation(**finals.augmentation.model_dump()) if augmented else None,
        annealing=None if finals.annealing.rule == "none" else Annealing(**finals.annealing.model_dump()),
        labels=definition.data.labels,
    )


def run_ensemble(context: JobContext) -> dict[str, Any]:
    """Let the tested models vote: the mean of their probabilities on the test set."""
    members = context.lease.job["slots"]
    with context.storage.reader.connect() as connection:
        outcomes = list(connection.scalars(sa.select(slots.c.outcome).where(slots.c.id.in_(members))))
    votes = [read_predictions(context.artifacts, outcome["predictions"]).probabilities for outcome in outcomes]
    test = _load_test(context)
    path = f"{context.study.name}/finals/ensemble-of-{len(votes)}.npz"
    predictions = write_predictions(
        context.artifacts, path, labels=test.labels, probabilities=soft_vote(votes), images=test.images
    )
    return {"state": "complete", "members": len(votes), "test_accuracy": predictions.accuracy, "predictions": path}


#: What to run for a slot of each stage.
JOBS: dict[str, Callable[[JobContext], dict[str, Any]]] = {
    "confirm": run_confirmation,
    "retrain": run_retraining,
    "ensemble": run_ensemble,
}


def failed_outcome(stage: str, failure: dict[str, str]) -> dict[str, Any]:
    """Return what a slot stores of work that failed for good."""
    outcome: dict[str, Any] = {"state": "failed", "failure": failure}
    if stage in {"search", "confirm"}:
        outcome |= {"score": None, "best_epoch": None, "hyperparameters": {}, "curve": []}
    return outcome


def _test(context: JobContext, model: keras.Model) -> Predictions:
    test = _load_test(context)
    return write_predictions(
        context.artifacts,
        f"{_final_path(context)}.npz",
        labels=test.labels,
        probabilities=predict_probabilities(model, test.images),
        images=test.images,
    )


def _load_test(context: JobContext) -> LabelledImages:
    try:
        return open_test_set(
            context.study.definition, class_names=context.study.class_names, data_dir=context.places.data_dir
        )
    except TunerError as error:
        raise DataUnavailableError(str(error)) from error


def _store_bundle(
    context: JobContext, space: Space, model: keras.Model, train: LabelledImages, test_accuracy: float
) -> str:
    job = context.lease.job
    provenance = dict(context.study.provenance)
    path = f"{_final_path(context)}.bundle"
    write_bundle(
        context.artifacts,
        path,
        model,
        BundleDescription(
            space=context.study.definition.space,
            hyperparameters=job["hyperparameters"],
            images=train.image_format,
            provenance=Provenance(
                study=context.study.name,
                trial=job["trial"],
                rank=job["rank"],
                seed=job["seed"],
                test_accuracy=test_accuracy,
                data_sha256=provenance.pop("data_sha256"),
                versions=provenance,
            ),
        ),
        sources=space.sources,
    )
    return path


def _final_path(context: JobContext) -> str:
    job = context.lease.job
    suffix = "" if job["augmented"] else "-without-augmentation"
    return f"{context.study.name}/finals/trial-{job['trial']}-repeat-{job['repeat'] + 1}{suffix}"
