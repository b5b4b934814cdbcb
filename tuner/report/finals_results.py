"""Results of the finals that are read from the artifact store: predictions on the test set, and parameter counts."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tuner.artifacts import ArtifactNotFoundError, ArtifactStore
from tuner.bundles.bundle import BundleDamagedError, BundleTooNewError, parse_manifest
from tuner.bundles.bundle_places import NotABundleError
from tuner.bundles.predictions import Predictions, PredictionsUnreadableError, read_predictions
from tuner.bundles.study_pictures import StudyPictures, read_study_pictures
from tuner.errors import TunerError
from tuner.report.wording import count
from tuner.studies.records.finals import FinalRecord, RetrainRecord
from tuner.studies.records.study import StudyRecord

#: Number, height, width, channels.
_IMAGE_DIMENSIONS = 4


@dataclass(frozen=True, kw_only=True)
class ModelPredictions:
    """The predictions of one model, or of the ensemble, on the test set."""

    predictions: Predictions
    #: The model's name in texts, such as "the ensemble of 9 models".
    source: str


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """What a bundle says of its model."""

    #: Numbers in the weights, as Keras' `count_params` counts them.
    n_parameters: int
    size_bytes: int
    #: Path in the model and shape of each array of weights, in the model's order.
    weights: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class FinalsResults:
    """What the page shows of a study's tested models."""

    #: Of one of the models in the headline, and of the ensemble; None where none exist yet or none can be read.
    single: ModelPredictions | None
    ensemble: ModelPredictions | None
    #: Why predictions that should exist cannot be read.
    problem: str | None
    #: Of each final whose bundle can be read, by its trial.
    models: Mapping[int, ModelFile] = field(default_factory=dict)
    #: Of images and layers, with the final that they are of; None where there are none, or none can be read.
    pictures: StudyPictures | None = None
    pictured: FinalRecord | None = None

    @property
    def n_validation(self) -> int | None:
        """Number of validation images of the search, where known."""
        counts = self.pictures.data.class_counts.get("validation") if self.pictures else None
        return sum(counts) if counts else None

    @property
    def n_test(self) -> int | None:
        """Number of test images, where known."""
        known = self.single or self.ensemble
        return None if known is None else len(known.predictions.labels)

    @property
    def test_labels_sha256(self) -> str | None:
        """Hash of the test images' labels in their order, where known."""
        known = self.single or self.ensemble
        return None if known is None else hashlib.sha256(known.predictions.labels.tobytes()).hexdigest()


def read_finals_results(study: StudyRecord, artifacts: ArtifactStore) -> FinalsResults:
    """Read the predictions of the first tested repeat of the best final, and those of the ensemble."""
    single, problem = _read_first(study, artifacts, _single_models(study))
    ensemble = None
    if study.ensemble:
        name = f"the ensemble of {count(study.ensemble.members, 'model')}"
        ensemble, lost = _read_first(study, artifacts, [(name, study.ensemble.predictions)])
        problem = problem or lost
    pictures, pictured, lost = _read_pictures(study, artifacts)
    models = {final.trial: read_model_file(artifacts, final.bundle) for final in study.finals}
    return FinalsResults(
        single=single,
        ensemble=ensemble,
        problem=problem or lost,
        models={trial: model for trial, model in models.items() if model is not None},
        pictures=pictures,
        pictured=pictured,
    )


def _read_pictures(
    study: StudyRecord, artifacts: ArtifactStore
) -> tuple[StudyPictures | None, FinalRecord | None, str | None]:
    """Return the pictures of the final of best rank that has any, that final, and why the first cannot be read."""
    problem = None
    for final in sorted(study.finals, key=lambda final: final.rank):
        for path in (run.pictures for run in final.runs if run.pictures):
            try:
                return read_study_pictures(artifacts, path), final, problem
            except TunerError as error:
                problem = problem or f"The pictures of final {final.rank} could not be read: {error}"
    return None, None, problem


def _read_first(
    study: StudyRecord, artifacts: ArtifactStore, candidates: Sequence[tuple[str, str]]
) -> tuple[ModelPredictions | None, str | None]:
    """Return the first predictions that can be read, and why the first of those before it cannot."""
    problem = None
    for source, path in candidates:
        try:
            return ModelPredictions(
                predictions=read_fitting_predictions(study, artifacts, path), source=source
            ), problem
        except TunerError as error:
            problem = problem or f"The predictions of {source} could not be read: {error}"
    return None, problem


def read_fitting_predictions(study: StudyRecord, artifacts: ArtifactStore, path: str) -> Predictions:
    """Read predictions that belong to this study.

    Raises:
        ArtifactNotFoundError: No file has that path.
        PredictionsUnreadableError: The file is damaged, or of a study with other classes.
    """
    predictions = read_predictions(artifacts, path)
    _check_fit(predictions, path, n_classes=len(study.class_names))
    return predictions


def _single_models(study: StudyRecord) -> list[tuple[str, str]]:
    return [
        (f"final {final.rank}, repeat {number} (seed {run.seed})", run.predictions)
        for final in sorted(study.finals, key=lambda final: final.rank)
        for number, run in tested_runs(final)
        if run.predictions
    ]


def tested_runs(final: FinalRecord) -> list[tuple[int, RetrainRecord]]:
    """Return the repeats that have been tested, each with its number from 1."""
    return [
        (number, run)
        for number, run in enumerate(final.runs, start=1)
        if run.state == "complete" and run.test_accuracy is not None
    ]


def predicted_classes(predictions: Predictions) -> NDArray[np.int64]:
    """Return the most probable class of each test image: int64, shape (n,)."""
    return np.asarray(predictions.probabilities.argmax(axis=1), dtype=np.int64)


def read_model_file(artifacts: ArtifactStore, bundle: str | None) -> ModelFile | None:
    """Return what a bundle says of its model; None when the bundle cannot be read."""
    if bundle is None:
        return None
    try:
        content = artifacts.read(bundle)
        manifest = parse_manifest(content, origin=bundle)
    except (ArtifactNotFoundError, NotABundleError, BundleDamagedError, BundleTooNewError):
        return None
    return ModelFile(
        n_parameters=manifest.n_parameters,
        size_bytes=len(content),
        weights=tuple((entry.path, entry.shape) for entry in manifest.weights),
    )


def _check_fit(predictions: Predictions, path: str, *, n_classes: int) -> None:
    n_images = len(predictions.labels)
    images = predictions.error_images
    checks = {
        "labels of one dimension": predictions.labels.ndim == 1 and n_images > 0,
        f"probabilities of shape ({n_images}, {n_classes})": predictions.probabilities.shape == (n_images, n_classes),
        "error images of shape (k, height, width, 1 or 3)": images.ndim == _IMAGE_DIMENSIONS
        and images.shape[-1] in (1, 3),
        "an index for each error image": predictions.error_indices.shape == images.shape[:1],
        f"labels below {n_classes}": _within(predictions.labels, n_classes),
        f"error indices below {n_images}": _within(predictions.error_indices, n_images),
        "finite probabilities": bool(np.isfinite(predictions.probabilities).all()),
    }
    missing = next((expected for expected, holds in checks.items() if not holds), None)
    if missing:
        raise PredictionsUnreadableError(f"{path} does not fit its study: expected {missing}. Run the finals again.")


def _within(values: NDArray[np.int64], limit: int) -> bool:
    return not values.size or bool(values.min() >= 0 and values.max() < limit)
