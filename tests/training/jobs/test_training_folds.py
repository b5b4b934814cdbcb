"""Trials and confirmations of a study with folds, trained by a worker in this process."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch, FoldProgress
from tuner.jobs.creation import create_study
from tuner.jobs.fitting import folds
from tuner.jobs.replay import replay_trial
from tuner.jobs.study.data import DataPlaces
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.records.reading import load_study, read_slots
from tuner.studies.records.study import StudyRecord
from tuner.studies.slots.leases import release_owned
from tuner.workers.loop import Worker, WorkerSettings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def _leave_imports_to_themselves() -> Iterator[None]:
    """Keep what is imported out of the collections between folds, as `load_backend` does for a worker."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class KilledError(BaseException):
    """Ends a worker where nothing in it goes on, as SIGKILL does."""


class KilledWorker(Worker):
    """Dies when it has trained this epoch of this fold."""

    dies_at = (0, 0)

    def _on_fold(self, progress: FoldProgress) -> None:
        super()._on_fold(progress)
        if (progress.fold, progress.n_epochs) == self.dies_at:
            # What is not stored yet is dropped with the slot.
            self._reporter.flush()
            raise KilledError


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with open_storage(f"sqlite:///{tmp_path / 's.db'}") as opened:
        yield opened


@pytest.fixture
def create(storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Create a study with a builder of `own_builders` on a few digits."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "support"))

    def create_here(name: str, builder: str, *overrides: str) -> None:
        definition = make_definition(
            space=f"own_builders.{builder}",
            dataset="digits",
            name=name,
            trials=1,
            overrides=["search.train_images=100", "search.pruner=none", "finals.top=0", *overrides],
        )
        create_study(storage, definition, data_dir=tmp_path, check=False)

    return create_here


@pytest.fixture
def work(storage: Storage, tmp_path: Path) -> Callable[..., StudyRecord]:
    """Work for a study until it is done; return its record."""

    def work_on(name: str, worker: type[Worker] = Worker) -> StudyRecord:
        settings = WorkerSettings(
            worker_id=worker.__name__,
            studies=[name],
            device="cpu",
            places=places_in(tmp_path),
            artifacts=ArtifactStore(str(tmp_path / "artifacts")),
            until_done=True,
            lease_s=30.0,
        )
        worker(storage, settings).run()
        return load_study(storage, name)

    return work_on


def places_in(folder: Path) -> DataPlaces:
    return DataPlaces(data_dir=folder, cache_dir=folder / "cache")


def timeless(record: StudyRecord) -> list[list[tuple[Epoch, ...]]]:
    """The curves of each trial's folds without the time that each epoch took."""
    return [
        [tuple(replace(epoch, duration_s=None) for epoch in fold.curve) for fold in trial.folds]
        for trial in record.trials
    ]


def test_a_study_killed_in_the_middle_of_a_fold_ends_as_an_undisturbed_one(
    create: Callable[..., None],
    work: Callable[..., StudyRecord],
    storage: Storage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained: list[int] = []
    fit = folds.fit
    monkeypatch.setattr(folds, "fit", lambda setup, one: trained.append(one.plan.seed) or fit(setup, one))
    for name in ("calm", "disturbed"):
        create(name, "failing_later:fine", "data.folds=3", "search.epochs=2", "search.trials=2")
    calm = work("calm")
    of_calm = trained.copy()
    trained.clear()

    # In the second fold, after the first of its two epochs.
    monkeypatch.setattr(KilledWorker, "dies_at", (2, 3))
    with pytest.raises(KilledError):
        work("disturbed", KilledWorker)
    half = load_study(storage, "disturbed").trials[0]
    kept = [path.name for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
    release_owned(storage, "KilledWorker")
    disturbed = work("disturbed")

    assert (half.state, len(half.folds), half.score) == ("running", 1, half.folds[0].score)
    assert sorted(kept) == ["1-odd.npz", "folds-1.json"]
    assert timeless(disturbed) == timeless(calm)
    assert [[len(curve) for curve in trial] for trial in timeless(calm)] == [[2, 2, 2], [2, 2, 2]]
    assert [trial.score for trial in disturbed.trials] == [trial.score for trial in calm.trials]
    first, rest = of_calm[:3], of_calm[3:]
    assert trained == [first[0], first[1], first[1], first[2], *rest], "the first fold was not trained again"
    assert len(set(of_calm)) == 6
    slots = read_slots(storage, 2)
    assert [(slot.state, slot.epoch, len(slot.workers)) for slot in slots] == [("done", 6, 2), ("done", 6, 1)]
    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []
    again = replay_trial(disturbed, disturbed.trials[1], places=places_in(tmp_path))
    assert all(replace(one.now, duration_s=None) == replace(one.before, duration_s=None) for one in again)


def test_a_score_is_the_mean_over_folds_of_the_best_epoch_of_each(
    create: Callable[..., None], work: Callable[..., StudyRecord], storage: Storage
) -> None:
    create("own", "nets:build", "data.folds=3", "search.epochs=2")

    (trial,) = work("own").trials

    bests = [max(epoch.val_accuracy or 0 for epoch in fold.curve) for fold in trial.folds]
    assert [fold.score for fold in trial.folds] == bests
    assert trial.score == pytest.approx(sum(bests) / 3)
    assert trial.score_sd is not None
    (stored,) = storage.optuna.get_all_trials(1)
    assert stored.intermediate_values == pytest.approx(dict(enumerate(trial.fold_means, start=1)))
    assert stored.value == trial.score
    means = [sum(fold.curve[epoch].loss or 0 for fold in trial.folds) / 3 for epoch in range(2)]
    assert [epoch.loss for epoch in trial.curve] == pytest.approx(means)


def test_confirmations_repeat_all_folds_and_an_own_fit_is_retrained_with_the_first_to_validate_on(
    create: Callable[..., None], work: Callable[..., StudyRecord], storage: Storage
) -> None:
    finals = ["finals.top=1", "finals.candidates=1", "finals.confirm_repeats=1", "finals.repeats=1", "finals.epochs=2"]
    create("own", "fits:OwnLoop", "data.folds=2", "search.epochs=1", *finals, "finals.compare_augmentation=false")

    record = work("own")

    (trial,) = record.trials
    assert (trial.state, len(trial.folds)) == ("complete", 2)
    (confirmed,) = [slot.outcome for slot in read_slots(storage, 1) if slot.stage == "confirm"]
    outcome: Any = confirmed
    assert [fold.n_epochs for fold in outcome.folds] == [1, 1]
    assert outcome.score == record.finals[0].mean_score
    (retrained,) = record.finals[0].runs
    assert retrained.val_accuracy is not None


@pytest.mark.parametrize("builder", ["failing_later:fine", "fits:ReturnsHistory"])
def test_models_of_keras_own_loop_have_folds_and_tell_a_note_once(
    create: Callable[..., None], work: Callable[..., StudyRecord], builder: str
) -> None:
    create("own", builder, "data.folds=2", "search.epochs=1")

    (trial,) = work("own").trials

    assert (trial.state, len(trial.folds)) == ("complete", 2)
    assert len(trial.notes) == len(set(trial.notes))
    assert bool(trial.notes) == (builder == "fits:ReturnsHistory")
