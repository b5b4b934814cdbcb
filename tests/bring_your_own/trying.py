"""What becomes of a builder or of data that a person brings: a whole study in this process, finals included."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import read_bundle
from tuner.datasets.test_set import load_test_set
from tuner.jobs.creation import create_study
from tuner.jobs.study_data import DataPlaces
from tuner.studies.definition import make_definition
from tuner.studies.reading import load_study
from tuner.studies.records import StudyRecord
from tuner.studies.storage import open_storage
from tuner.training.predictions import predict_probabilities
from tuner.workers.loop import Worker, WorkerSettings

#: Short trials, one final of one repeat.
_SHORT = (
    "search.epochs=2",
    "search.batch_size=32",
    "search.pruner=none",
    "data.validation_fraction=0.2",
    "finals.top=1",
    "finals.candidates=1",
    "finals.confirm_repeats=1",
    "finals.repeats=1",
    "finals.epochs=2",
    "finals.compare_augmentation=false",
    "finals.augmentation={rotation=5.0, zoom=0.0, shift=0.0, shear=0.0}",
)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A study after its worker has ended."""

    record: StudyRecord
    artifacts: ArtifactStore
    dataset: str
    data_dir: Path

    @property
    def failures(self) -> list[str]:
        """What failed, in search and finals."""
        runs = [run for final in self.record.finals for run in final.runs]
        return [item.failure.message for item in (*self.record.trials, *runs) if item.failure is not None]

    @property
    def score(self) -> float:
        assert self.record.best is not None, self.failures
        assert self.record.best.score is not None
        return self.record.best.score

    @property
    def test_accuracy(self) -> float:
        (final,) = self.record.finals
        assert final.test_accuracy_mean is not None, self.failures
        return final.test_accuracy_mean

    def predict_test_images(self) -> tuple[NDArray[np.float32], float]:
        """Return what the final's bundle, rebuilt, says of the test images, and its accuracy there."""
        (final,) = self.record.finals
        assert final.bundle is not None, self.failures
        bundle = read_bundle(Path(self.artifacts.location(final.bundle)))
        test = load_test_set(self.dataset, data_dir=self.data_dir)
        probabilities = predict_probabilities(bundle.build_model(), test.images)
        return probabilities, float((probabilities.argmax(axis=1) == test.labels).mean())


def run_study(
    space: str, dataset: Path | str, folder: Path, *, trials: int = 1, settings: Sequence[str] = ()
) -> Finished:
    """Create a study in the folder, and work on it until it is done.

    Raises:
        TunerError: The study was refused.
    """
    definition = make_definition(
        space=space, dataset=str(dataset), name="brought", trials=trials, overrides=[*_SHORT, *settings]
    )
    data_dir = folder / "data"
    artifacts = ArtifactStore(str(folder / "artifacts"))
    with open_storage(f"sqlite:///{folder / 'tuner.db'}") as storage:
        create_study(storage, definition, data_dir=data_dir, check=False)
        worker = Worker(
            storage,
            WorkerSettings(
                worker_id="w",
                studies=["brought"],
                device="cpu",
                places=DataPlaces(data_dir=data_dir, cache_dir=folder / "cache"),
                artifacts=artifacts,
                until_done=True,
                lease_s=300,
            ),
        )
        worker.run()
        record = load_study(storage, "brought")
    return Finished(record=record, artifacts=artifacts, dataset=definition.dataset, data_dir=data_dir)
