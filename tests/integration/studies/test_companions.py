"""Several leases of one worker, on slots that differ in the seed alone."""

from dataclasses import replace

import pytest

from tuner.studies.companions import claim_companions
from tuner.studies.database.schema import slots
from tuner.studies.database.storage import Storage
from tuner.studies.fleet import register_worker, update_worker
from tuner.studies.lifecycle import Study
from tuner.studies.records.reading import read_slots
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, LeaseLostError, end_slot, release_slot, renew_lease
from tuner.studies.slots.outcomes import ConfirmJob, ConfirmOutcome, Job, RetrainJob, Stage
from tuner.studies.slots.slot import create_slots

CONFIRM = ConfirmJob(trial=1, hyperparameters={"units": 8}, repeat=0, seed=10)
RETRAIN = RetrainJob(trial=1, hyperparameters={"units": 8}, repeat=0, seed=10, augmented=True, val_accuracy_mean=0.5)


def repeats(job: Job, *numbers: int) -> list[Job]:
    return [replace(job, repeat=number, seed=10 + number) for number in numbers]  # type: ignore[call-arg, type-var]


def claim(storage: Storage, study: Study, stage: Stage, jobs: list[Job], *, owner: str = "w") -> Lease:
    """Let these jobs be all that waits, and lease the first of them."""
    with storage.engine.begin() as connection:
        connection.execute(slots.delete().where(slots.c.study_id == study.id))
        create_slots(connection, study.id, stage, jobs)
    lease = claim_slot(storage, owner=owner)
    assert lease is not None
    return lease


def numbers(leases: list[Lease]) -> list[int]:
    return [lease.job.repeat for lease in leases if isinstance(lease.job, ConfirmJob | RetrainJob)]


def test_repeats_of_one_configuration_are_leased_together_and_each_has_a_token(storage: Storage, study: Study) -> None:
    others = [replace(CONFIRM, trial=2), replace(CONFIRM, hyperparameters={"units": 16})]
    lease = claim(storage, study, "confirm", [*repeats(CONFIRM, 0, 1), *others, *repeats(CONFIRM, 2)])

    companions = claim_companions(storage, lease)

    assert numbers(companions) == [1, 2]
    assert {one.token for one in companions} == {1}
    assert [(slot.state, slot.owner) for slot in read_slots(storage, study.id)] == [
        *[("leased", "w")] * 2,
        *[("waiting", None)] * 2,
        ("leased", "w"),
    ]
    assert claim_companions(storage, lease) == []


def test_retrainings_are_alike_where_they_are_augmented_alike_and_tested_alike(storage: Storage, study: Study) -> None:
    others = [replace(RETRAIN, augmented=False, repeat=1), replace(RETRAIN, for_curve=True, repeat=2)]
    lease = claim(storage, study, "retrain", [RETRAIN, *others, *repeats(RETRAIN, 3, 4, 5)])

    assert numbers(claim_companions(storage, lease, most=2)) == [3, 4]


def test_a_worker_takes_its_share_and_leaves_the_rest_to_others(storage: Storage, study: Study) -> None:
    for worker, state in (("w", "training"), ("v", "waiting"), ("dead", "ended")):
        register_worker(storage, worker_id=worker, host="box", device="cpu", pid=1)
        update_worker(storage, worker, state=state)
    lease = claim(storage, study, "confirm", repeats(CONFIRM, 0, 1, 2, 3, 4))

    assert numbers(claim_companions(storage, lease)) == [1, 2]
    other = claim_slot(storage, owner="v")
    assert other is not None
    assert numbers([other, *claim_companions(storage, other)]) == [3]


def test_losing_one_lease_leaves_the_others(storage: Storage, study: Study) -> None:
    lease = claim(storage, study, "confirm", repeats(CONFIRM, 0, 1, 2))
    lost, kept = claim_companions(storage, lease)
    release_slot(storage, lost)
    later = claim_slot(storage, owner="v")

    for one in (lease, kept):
        renew_lease(storage, one, epoch=1)
        end_slot(storage, one, ConfirmOutcome(state="complete", score=0.5, hyperparameters={}))
    with pytest.raises(LeaseLostError):
        renew_lease(storage, lost, epoch=1)
    with pytest.raises(LeaseLostError):
        end_slot(storage, lost, ConfirmOutcome(state="complete", score=0.9, hyperparameters={}))
    assert later is not None
    assert (later.slot_id, later.token) == (lost.slot_id, 2)
    assert [slot.state for slot in read_slots(storage, study.id)] == ["done", "leased", "done"]


def test_slots_on_which_a_worker_died_are_left_to_be_trained_alone(storage: Storage, study: Study) -> None:
    lease = claim(storage, study, "confirm", repeats(CONFIRM, 0, 1, 2))
    release_slot(storage, lease, is_attempt=True)
    again = claim_slot(storage, owner="w")
    assert again is not None

    assert claim_companions(storage, again) == []
    release_slot(storage, again, is_attempt=True)
    second, third = claim(storage, study, "confirm", repeats(CONFIRM, 0, 1)), claim_slot(storage, owner="v")
    assert third is not None
    release_slot(storage, third, is_attempt=True)
    assert claim_companions(storage, second) == []


def test_a_worker_with_several_leases_counts_as_one(storage: Storage, study: Study) -> None:
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tuner_studies SET max_workers = 2")
    lease = claim(storage, study, "confirm", [*repeats(CONFIRM, 0, 1, 2), *repeats(replace(CONFIRM, trial=2), 0, 1)])
    assert len(claim_companions(storage, lease)) == 2

    assert claim_slot(storage, owner="v") is not None
    assert claim_slot(storage, owner="u") is None
