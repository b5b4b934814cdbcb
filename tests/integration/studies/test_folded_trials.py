"""What a database holds of trials with folds, and how they are compared."""

from collections.abc import Callable

import pytest
from optuna.trial import TrialState

from tuner.cli.progress import _describe_work
from tuner.epochs import Epoch
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.fleet import read_workers, register_worker, update_worker
from tuner.studies.lifecycle import Study, insert_study
from tuner.studies.progress import read_progress
from tuner.studies.records.reading import load_outline, load_study
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, end_slot, renew_lease
from tuner.studies.slots.outcomes import FoldResult, SearchOutcome, mean_over
from tuner.studies.trials import TrialScores, close_ended_trials, open_trial

Begin = Callable[..., tuple[Lease, TrialScores]]


@pytest.fixture
def folded(storage: Storage) -> Study:
    """A study of five folds, of which each trial trains two epochs, with the pruner that asks for the median."""
    overrides = ["data.folds=5", "search.pruning.startup_trials=1"]
    definition = make_definition(
        space="mlp", dataset="digits", name="s", trials=4, epochs=2, pruner="median", overrides=overrides
    )
    return insert_study(storage, definition, class_names=["0", "1"], provenance={"data_sha256": "0" * 64})


@pytest.fixture
def begin(storage: Storage, folded: Study) -> Begin:
    """Let a worker begin the next trial and report the means over its first folds."""

    def begin_trial(*means: float) -> tuple[Lease, TrialScores]:
        lease = claim_slot(storage, owner="w")
        assert lease is not None
        _, scores = open_trial(storage, folded, lease)
        for fold, mean in enumerate(means, start=1):
            renew_lease(storage, lease, epoch=2 * fold, trial_id=scores.trial_id, scores={fold: mean})
            scores.remember({fold: mean})
        return lease, scores

    return begin_trial


def end(storage: Storage, lease: Lease, *scores: float, state: str = "complete") -> None:
    """Store the outcome of a trial whose folds have these scores."""
    folds = tuple(FoldResult(score=score, best_epoch=2, n_epochs=2) for score in scores)
    curve = tuple(
        Epoch(epoch=epoch, loss=1.0, accuracy=None, val_loss=None, val_accuracy=score - 0.1 * (2 - epoch))
        for score in scores
        for epoch in (1, 2)
    )
    outcome = SearchOutcome(state=state, score=mean_over(folds), folds=folds, curve=curve)  # type: ignore[arg-type]
    end_slot(storage, lease, outcome)
    close_ended_trials(storage)


def test_a_trial_is_dropped_after_the_folds_that_say_enough(storage: Storage, begin: Begin) -> None:
    # Fold 1 is easy for all.
    end(storage, begin(0.9, 0.8, 0.75, 0.75, 0.75)[0], 0.9, 0.7, 0.65, 0.75, 0.75)

    _, worse = begin(0.89)
    _, soon_worse = begin(0.95, 0.79)
    _, better = begin(0.91, 0.81, 0.76, 0.76)

    assert worse.decides_after(1)
    assert worse.should_prune(1)
    assert not soon_worse.should_prune(1)
    assert soon_worse.should_prune(2), "its first fold was easy, and says nothing of the others"
    assert not any(better.should_prune(fold) for fold in (1, 2, 3, 4))
    assert not better.decides_after(5), "the last fold ends the trial anyway"


def test_a_trial_with_folds_reads_back_with_each_of_them(storage: Storage, folded: Study, begin: Begin) -> None:
    end(storage, begin(0.5, 0.6)[0], 0.5, 0.7, state="pruned")

    trial = load_study(storage, folded.name).trials[0]

    assert [(fold.number, fold.score, fold.best_epoch) for fold in trial.folds] == [(1, 0.5, 2), (2, 0.7, 2)]
    assert [[epoch.val_accuracy for epoch in fold.curve] for fold in trial.folds] == [[0.4, 0.5], [0.6, 0.7]]
    assert (trial.score, trial.best_epoch, trial.n_epochs) == (pytest.approx(0.6), None, 4)
    assert trial.score_sd == pytest.approx(0.2 / 2**0.5)
    assert [epoch.val_accuracy for epoch in trial.curve] == pytest.approx([0.5, 0.6])
    assert trial.fold_means == pytest.approx((0.5, 0.6))
    outlined = load_outline(storage, folded.name).trials[0]
    assert (len(outlined.folds), outlined.curve, outlined.n_epochs) == (2, (), 0)
    (stored,) = storage.optuna.get_all_trials(folded.optuna_study_id)
    assert (stored.state, stored.value, stored.intermediate_values) == (TrialState.PRUNED, 0.6, {1: 0.5, 2: 0.6})


def test_a_trial_that_runs_has_the_folds_that_it_has_reported(storage: Storage, folded: Study, begin: Begin) -> None:
    begin(0.5, 0.6, 0.5)

    trial = load_study(storage, folded.name).trials[0]

    assert [fold.score for fold in trial.folds] == [0.5, 0.7, 0.3]
    assert (trial.state, trial.score, trial.curve) == ("running", pytest.approx(0.5), ())


def test_the_best_trial_is_one_with_all_folds(storage: Storage, folded: Study, begin: Begin) -> None:
    end(storage, begin()[0], 0.95, state="pruned")
    early = read_progress(storage, folded).best_score
    end(storage, begin()[0], 0.9, 0.7, 0.8, 0.8, 0.8)

    best = load_outline(storage, folded.name).best

    assert best is not None
    assert (best.number, best.score) == (1, pytest.approx(0.8))
    assert (early, read_progress(storage, folded).best_score) == (0.95, pytest.approx(0.8))


def test_the_fleet_says_which_fold_a_worker_trains(storage: Storage, begin: Begin) -> None:
    register_worker(storage, worker_id="w", host="box", device="cpu", pid=4711)
    lease, _ = begin(0.5, 0.6)
    update_worker(storage, "w", state="training", slot_id=lease.slot_id, fold=3)
    (training,) = read_workers(storage)
    update_worker(storage, "w", state="waiting")
    (waiting,) = read_workers(storage)

    assert (training.fold, training.folds, training.epoch) == (3, 5, 4)
    assert _describe_work(training) == "s trial 0, fold 3 of 5, 4 epochs so far"
    assert (waiting.fold, waiting.folds) == (None, None)
