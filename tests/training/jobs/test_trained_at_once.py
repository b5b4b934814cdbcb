"""Folds and repeats trained as one program, held against each alone; `test_on_jax.py` runs it on JAX."""

import gc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import keras
import pytest

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch, FoldProgress
from tuner.jobs.context import JobContext
from tuner.jobs.creation import create_study
from tuner.jobs.fitting import folds
from tuner.jobs.replay import replay_trial
from tuner.jobs.study.data import DataPlaces
from tuner.jobs.table import run_jobs
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.records.reading import load_study, read_slots
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import release_owned, release_slot
from tuner.studies.slots.outcomes import ConfirmOutcome, Outcome, RetrainOutcome
from tuner.training.populations.epochs import PopulationEpochs
from tuner.workers import loop
from tuner.workers.loop import Worker, WorkerSettings
from tuner.workers.reporter import Reporter

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="populations are programs of JAX"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

#: Of the 1,438 digits, the first has one more than the others.
N_FOLDS = 3


class KilledError(BaseException):
    """Ends a worker where nothing in it goes on, as SIGKILL does."""


class KilledWorker(Worker):
    """Dies when so many epochs of its folds are over."""

    n_epochs = 4

    def _on_fold(self, progress: FoldProgress) -> None:
        super()._on_fold(progress)
        if progress.n_epochs == self.n_epochs:
            self._reporter.flush()
            raise KilledError


@pytest.fixture(scope="module", autouse=True)
def _leave_imports_to_themselves() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def storage(sqlite_url: str) -> Iterator[Storage]:
    with open_storage(sqlite_url) as opened:
        yield opened


@pytest.fixture
def work(storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StudyRecord]:
    """Create a study with a builder of `own_builders` on a few digits, if it is not there, and work for it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "support"))

    def work_on(
        name: str,
        builder: str,
        *overrides: str,
        n_folds: int | None = N_FOLDS,
        worker: type[Worker] = Worker,
        is_new: bool = True,
    ) -> StudyRecord:
        if is_new:
            folds = [f"data.folds={n_folds}", "finals.top=0"] if n_folds else []
            definition = make_definition(
                space=f"own_builders.{builder}",
                dataset="digits",
                name=name,
                trials=1,
                epochs=2,
                pruner="none",
                overrides=["search.train_images=100", *folds, *overrides],
            )
            create_study(storage, definition, data_dir=tmp_path, check=False)
        settings = WorkerSettings(
            worker_id=worker.__name__,
            studies=[name],
            device="cpu",
            places=DataPlaces(data_dir=tmp_path, cache_dir=tmp_path / "cache"),
            artifacts=ArtifactStore(str(tmp_path / "artifacts")),
            until_done=True,
            lease_s=30.0,
        )
        worker(storage, settings).run()
        return load_study(storage, name)

    return work_on


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many models each call trains at once, or 1 for a model that is trained alone."""
    found: list[int] = []
    train, fit = PopulationEpochs.train, folds.fit

    def train_at_once(epochs: PopulationEpochs) -> object:
        found.append(len(epochs.runs))
        return train(epochs)

    def fit_alone(*given: object, **named: object) -> object:
        found.append(1)
        return fit(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(PopulationEpochs, "train", train_at_once)
    monkeypatch.setattr(folds, "fit", fit_alone)
    return found


def curves(trial: TrialRecord) -> list[tuple[Epoch, ...]]:
    return [fold.curve for fold in trial.folds]


def assert_equal_but_for_rounding(one: TrialRecord, other: TrialRecord) -> None:
    assert [len(curve) for curve in curves(one)] == [len(curve) for curve in curves(other)]
    for ours, theirs in zip(curves(one), curves(other), strict=True):
        assert [epoch.loss for epoch in ours] == pytest.approx([epoch.loss for epoch in theirs], rel=1e-5)
        assert [epoch.val_loss for epoch in ours] == pytest.approx([epoch.val_loss for epoch in theirs], rel=1e-5)
        assert [epoch.val_accuracy for epoch in ours] == [epoch.val_accuracy for epoch in theirs]
    assert [fold.score for fold in one.folds] == [fold.score for fold in other.folds]
    assert (one.score, one.state, one.hyperparameters) == (other.score, other.state, other.hyperparameters)


def test_folds_at_once_are_those_one_by_one_also_after_a_worker_died_between_their_epochs(
    work: Callable[..., StudyRecord], storage: Storage, sizes: list[int], tmp_path: Path
) -> None:
    (alone,) = work("alone", "nets:build", "search.at_once=1").trials
    with pytest.raises(KilledError):
        work("disturbed", "nets:build", "search.at_once=2", worker=KilledWorker)
    (half,) = load_study(storage, "disturbed").trials
    kept = sorted(path.name for path in (tmp_path / "artifacts").rglob("*") if path.is_file())
    release_owned(storage, "KilledWorker")
    (disturbed,) = work("disturbed", "nets:build", is_new=False).trials

    assert sizes == [1, 1, 1, 1, 2, 2]
    assert (half.state, len(half.folds)) == ("running", 1)
    assert kept == ["1-odd.npz", "1-odd.npz", "folds-1.json"]
    assert_equal_but_for_rounding(disturbed, alone)
    (slot,) = read_slots(storage, 2)
    assert (slot.state, slot.epoch, len(slot.workers)) == ("done", 6, 2)
    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []


# Why models that override `train_step` do is in `test_population.py`.
def test_models_with_a_fit_of_their_own_stay_alone_and_say_so(
    work: Callable[..., StudyRecord], sizes: list[int]
) -> None:
    (trial,) = work("own", "fits:OwnLoop", "search.at_once=4", "search.epochs=1", n_folds=2).trials

    assert sizes == [1, 1]
    assert len(trial.folds) == 2
    (note,) = [note for note in trial.notes if "one by one" in note]
    assert "own `fit`" in note


class RobbedWorker(Worker):
    """Loses one of its leases after an epoch; another one has it until the next epoch is over."""

    def _on_epoch(self, reporter: Reporter, result: Epoch) -> None:
        if result.epoch == 1 and len(self._leases) > 1 and reporter is self._reporter:
            lost = self._leases[-1]
            release_slot(self._storage, lost)
            assert claim_slot(self._storage, owner="thief") is not None
        super()._on_epoch(reporter, result)
        reporter.flush()
        if result.epoch == 2:
            release_owned(self._storage, "thief")


FINALS = ["finals.top=1", "finals.candidates=1", "finals.confirm_repeats=3", "finals.repeats=2", "finals.epochs=2"]


def test_repeats_at_once_are_those_one_by_one_also_where_one_of_their_leases_is_lost(
    work: Callable[..., StudyRecord], storage: Storage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found: list[tuple[str, int]] = []

    def run_together(contexts: Sequence[JobContext]) -> list[Outcome | Exception]:
        ends = run_jobs(contexts)
        found.append((contexts[0].lease.stage, sum(not isinstance(end, Exception) for end in ends)))
        return ends

    monkeypatch.setattr(loop, "run_jobs", run_together)
    settings = [*FINALS, "finals.compare_augmentation=false"]
    work("alone", "nets:build", "search.at_once=1", *settings, n_folds=None)
    work("robbed", "nets:build", "search.at_once=4", *settings, n_folds=None, worker=RobbedWorker)

    assert found == [("confirm", 2), ("retrain", 1)]
    alone, robbed = (
        [slot for slot in read_slots(storage, study_id) if slot.stage in {"confirm", "retrain"}] for study_id in (1, 2)
    )
    assert [(slot.state, len(slot.workers)) for slot in robbed] == [("done", n) for n in (1, 1, 3, 1, 3)]
    for ours, theirs in zip(robbed, alone, strict=True):
        one, other = ours.outcome, theirs.outcome
        assert isinstance(one, ConfirmOutcome | RetrainOutcome)
        assert isinstance(other, ConfirmOutcome | RetrainOutcome)
        assert [epoch.loss for epoch in one.curve] == pytest.approx([epoch.loss for epoch in other.curve], rel=1e-5)
        if isinstance(one, ConfirmOutcome) and isinstance(other, ConfirmOutcome):
            assert one.score == other.score
        if isinstance(one, RetrainOutcome) and isinstance(other, RetrainOutcome):
            assert (one.test_accuracy, bool(one.bundle)) == (other.test_accuracy, True)
    assert [path.name for path in (tmp_path / "artifacts").rglob("*-odd.npz")] == []


def test_a_cohort_shares_all_values_but_the_learning_rate_and_each_trial_is_what_it_is_alone(
    work: Callable[..., StudyRecord], storage: Storage, tmp_path: Path
) -> None:
    settings = ["search.trials=4", "search.cohort=3", "search.start_with_defaults=false", "finals.top=0"]
    settings += ["search.training.weight_decay={low=0.001, high=0.1, log=true}"]

    record = work("cohort", "nets:build_rated", "search.sampler=random", *settings, n_folds=None)

    trials = record.trials
    assert [trial.state for trial in trials] == ["complete"] * 4
    values = [trial.hyperparameters for trial in trials]
    assert len({one["units"] for one in values[:3]}) == 1
    assert len({one["learning_rate"] for one in values}) == len({one["training.weight_decay"] for one in values}) == 4
    assert len({trial.seed for trial in trials}) == 4
    stored = storage.optuna.get_all_trials(1)
    assert [(trial.number, trial.value) for trial in stored] == [(trial.number, trial.score) for trial in trials]
    again = replay_trial(record, trials[2], places=DataPlaces(data_dir=tmp_path, cache_dir=tmp_path / "cache"))
    for one in again:
        assert one.now.loss == pytest.approx(one.before.loss, rel=1e-5)
        assert one.now.val_accuracy == one.before.val_accuracy


def test_a_leader_beyond_a_limit_ends_alone_and_the_next_cohort_is_trained_at_once(
    work: Callable[..., StudyRecord], sizes: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    settings = ["search.trials=6", "search.cohort=3", "search.epochs=1", "search.sampler=random", "finals.top=0"]
    settings += ["search.start_with_defaults=false"]

    record = work("limited", "nets:build_rated", *settings, 'search.constraints=["parameters <= 700"]', n_folds=None)

    trials = record.trials
    within = [trial for trial in trials if trial.hyperparameters["units"] <= 8]
    assert [trial.state for trial in within] == ["complete"] * len(within)
    assert [(trial.state, trial.curve) for trial in trials if trial not in within] == [("pruned", ())] * (
        len(trials) - len(within)
    )
    assert 0 < len(within) < 6
    assert (sum(sizes), max(sizes)) == (len(within), 3)
    assert "one by one" not in caplog.text
