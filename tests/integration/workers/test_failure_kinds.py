"""What becomes of a trial and its worker when a person's builder, the device or the disk fails; on real Keras."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chaos.fleet import Fleet, Surroundings
from chaos.studies import insert_chaos_study
from optuna.trial import TrialState

from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study
from tuner.studies.records.reading import read_slots
from tuner.workers.pool import _Keeper

HERE = str(Path(__file__).parent)
SMALL = ["search.train_images=100", "search.batch_size=64"]


@pytest.fixture
def run(fleet: Fleet, insert: Callable[..., Study], surround: Callable[..., Surroundings]) -> Callable[..., Any]:
    """Search with a builder of this folder until the study is done, and return the study and the workers' statuses."""

    def run_study(builder: str, *overrides: str, **changes: Any) -> tuple[Study, list[int]]:
        study = insert(trials=1, epochs=3, space=f"failing_builders:{builder}", overrides=[*SMALL, *overrides])
        surroundings = surround(real_keras=True, import_from=[HERE], lease_s=1.0, **changes)
        statuses = []
        while not statuses or statuses[-1] not in {0, 1}:
            statuses.append(fleet.wait(fleet.start(surroundings), 120))
            assert len(statuses) < 8
        return study, statuses

    return run_study


#: Builder → the failure's kind and a part of its message.
FAILURES = {
    "memory_error": ("out_of_memory", "no room for this net"),
    "backend_out_of_memory": ("out_of_memory", "memory"),
    "nan_loss": ("nan_loss", "The loss became nan in epoch 1"),
    "no_accuracy": ("no_score", "its logs held loss, sparse_top_k_categorical_accuracy, val_loss"),
    "exception_in_build": ("builder_error", "no such layer"),
    "exception_in_epoch_3": ("training_error", "broken in epoch 3"),
}


def test_each_failure_has_a_kind_and_its_worker_lives_on(
    fleet: Fleet, surround: Callable[..., Surroundings], storage: Storage
) -> None:
    studies = {
        builder: insert_chaos_study(
            storage,
            name=builder.replace("_", "-"),
            trials=1,
            epochs=4,
            space=f"failing_builders:{builder}",
            overrides=SMALL,
        )
        for builder in FAILURES
    }

    worker = fleet.start(surround(real_keras=True, import_from=[HERE], studies=[]))

    assert fleet.wait(worker, 120) == 0
    for builder, (kind, message) in FAILURES.items():
        (row,) = read_slots(storage, studies[builder].id)
        (trial,) = storage.optuna.get_all_trials(studies[builder].optuna_study_id)
        assert (row.outcome.state, row.outcome.failure.kind) == ("failed", kind)
        assert message in row.outcome.failure.message
        assert row.attempts == 1
        assert trial.state == TrialState.FAIL


def test_a_trial_whose_workers_exit_before_their_first_epoch_fails_after_five(
    run: Callable[..., Any], storage: Storage
) -> None:
    study, statuses = run("exit_in_first_epoch")

    (row,) = read_slots(storage, study.id)
    assert statuses == [9, 9, 9, 9, 9, 0]
    assert row.outcome.failure.kind == "worker_died"


def test_a_trial_whose_workers_the_kernel_kills_is_out_of_memory_and_infeasible(
    fleet: Fleet, insert: Callable[..., Study], surround: Callable[..., Surroundings], storage: Storage
) -> None:
    study = insert(trials=1, epochs=4, space="failing_builders:killed_in_first_epoch", overrides=SMALL)
    surroundings = surround(real_keras=True, import_from=[HERE], lease_s=1.0)
    keeper = _Keeper(storage, 1.0)
    statuses = []
    while not statuses or statuses[-1]:
        worker = fleet.start(surroundings)
        statuses.append(fleet.wait(worker, 120))
        # As the pool does, which alone sees the signal.
        keeper.free_slots_of(worker.id, statuses[-1])

    (row,) = read_slots(storage, study.id)
    (trial,) = storage.optuna.get_all_trials(study.optuna_study_id)
    failure = row.outcome.failure
    assert statuses == [-9, -9, -9, -9, -9, 0]
    assert failure.kind == "out_of_memory"
    assert "killed by signal 9, 5 times in a row without finishing an epoch: most likely out of" in failure.message
    assert trial.system_attrs["constraints:out_of_memory"] == 1.0


def test_a_trial_whose_workers_exit_later_goes_on_from_their_last_epoch(
    run: Callable[..., Any], storage: Storage
) -> None:
    study, statuses = run("exit_in_second_epoch")

    (row,) = read_slots(storage, study.id)
    assert statuses == [9, 9, 0]
    assert row.outcome.state == "complete"
    assert [epoch.epoch for epoch in row.outcome.curve] == [1, 2, 3]


def test_a_lost_device_asks_for_a_fresh_process_which_goes_on_with_the_trial(
    run: Callable[..., Any], storage: Storage
) -> None:
    study, statuses = run("lost_device")

    (row,) = read_slots(storage, study.id)
    assert statuses == [75, 75, 0]
    assert row.outcome.state == "complete"
    assert [epoch.epoch for epoch in row.outcome.curve] == [1, 2, 3]


def test_an_endless_epoch_ends_with_its_process_and_the_trial_fails(run: Callable[..., Any], storage: Storage) -> None:
    study, statuses = run("endless_epoch", "search.trial_timeout_s=1.0")

    (row,) = read_slots(storage, study.id)
    assert statuses == [75, 0]
    assert row.outcome.failure.kind == "timeout"


def test_an_endless_epoch_after_others_ends_its_trial_with_those(run: Callable[..., Any], storage: Storage) -> None:
    # Time enough for the first one on a busy machine.
    study, statuses = run("endless_second_epoch", "search.trial_timeout_s=10.0")

    (row,) = read_slots(storage, study.id)
    (trial,) = storage.optuna.get_all_trials(study.optuna_study_id)
    assert statuses == [75, 0]
    assert [epoch.epoch for epoch in row.outcome.curve] == [1]
    assert (row.outcome.state, row.outcome.ended) == ("pruned", "timeout")
    assert row.outcome.notes == ("Ended after epoch 1 by search.trial_timeout = 10s.",)
    assert trial.state == TrialState.PRUNED
    assert trial.values == [row.outcome.score]


def test_a_full_disk_gives_the_slot_back_and_says_what_to_do(
    run: Callable[..., Any], storage: Storage, tmp_path: Path
) -> None:
    # As on a full disk, writing fails in the middle of a checkpoint; journal and log stay smaller.
    study, statuses = run("healthy", file_limit_bytes=20_000)

    (row,) = read_slots(storage, study.id)
    log = "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert statuses == [1]
    assert (row.state, row.attempts) == ("waiting", 0)
    assert "Free some space there" in log
    assert [path for path in tmp_path.rglob("*.partial") if path.is_file()] == []
