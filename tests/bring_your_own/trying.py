"""What becomes of a builder or of data that a person brings: a whole study in this process, finals included."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import read_bundle
from tuner.datasets.test_set import load_test_set
from tuner.jobs.context import JobContext
from tuner.jobs.creation import create_study
from tuner.jobs.fitting import costs
from tuner.jobs.study.data import DataPlaces
from tuner.jobs.table import JOBS
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.records.reading import load_study
from tuner.studies.records.study import StudyRecord
from tuner.studies.slots.outcomes import ConfirmJob, ConfirmOutcome
from tuner.training.predictions import predict_probabilities
from tuner.training.session import release_memory
from tuner.workers.dashboard_publisher import DashboardPublisher
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


_numbers = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where the studies of one process are kept, and what it has read of their data."""

    storage: Storage
    artifacts: ArtifactStore
    places: DataPlaces


@contextmanager
def open_workplace(folder: Path) -> Iterator[Workplace]:
    """Make a database and all else that a worker needs in the folder."""
    with open_storage(f"sqlite:///{folder / 'tuner.db'}") as storage:
        yield Workplace(
            storage=storage,
            artifacts=ArtifactStore(str(folder / "artifacts")),
            places=DataPlaces(data_dir=folder / "data", cache_dir=folder / "cache"),
        )


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A study after its worker has ended."""

    record: StudyRecord
    workplace: Workplace
    dataset: str

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
        bundle = read_bundle(Path(self.workplace.artifacts.location(final.bundle)))
        test = load_test_set(self.dataset, data_dir=self.workplace.places.data_dir)
        probabilities = predict_probabilities(bundle.build_model(), test.images)
        return probabilities, float((probabilities.argmax(axis=1) == test.labels).mean())


def _confirm_untrained(context: JobContext) -> ConfirmOutcome:
    """Say of a configuration that another seed scored as well."""
    job = context.job_as(ConfirmJob)
    return ConfirmOutcome(state="complete", score=0.5, best_epoch=1, hyperparameters=job.hyperparameters)


def run_study(
    workplace: Workplace,
    space: str,
    dataset: Path,
    *,
    trials: int = 1,
    settings: Sequence[str] = (),
    confirms: bool = False,
) -> Finished:
    """Create a study, and work on it until it is done.

    Args:
        workplace: Where it is kept.
        space: As in a definition.
        dataset: An archive.
        trials: How many.
        settings: Further ones, as `--set` takes them.
        confirms: Whether the confirmation trains too, which is a trial with another seed.

    Raises:
        TunerError: The study was refused.
    """
    name = f"brought-{next(_numbers)}"
    definition = make_definition(
        space=space, dataset=str(dataset), name=name, trials=trials, overrides=[*_SHORT, *settings]
    )
    create_study(workplace.storage, definition, data_dir=workplace.places.data_dir, check=False)
    # Workers begin in a process of their own, in which no model was built before.
    release_memory()
    worker = Worker(
        workplace.storage,
        WorkerSettings(
            worker_id=name,
            studies=[name],
            device="cpu",
            places=workplace.places,
            artifacts=workplace.artifacts,
            until_done=True,
            lease_s=300,
        ),
    )
    with pytest.MonkeyPatch.context() as patch:
        # What Optuna Dashboard shows is not looked at here, nor how long an answer takes.
        patch.setattr(DashboardPublisher, "publish", lambda *_: None)
        patch.setattr(costs, "measure_latency", lambda *_: {"latency_ms": 1.0})
        if not confirms:
            patch.setitem(JOBS, "confirm", _confirm_untrained)
        worker.run()
    record = load_study(workplace.storage, name)
    return Finished(record=record, workplace=workplace, dataset=definition.dataset)
