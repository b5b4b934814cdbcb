import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from tuner.epochs import Epoch
from tuner.studies.database.outages import DatabaseConnection
from tuner.studies.database.schema import database_time, slots, workers
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.fleet import read_workers, register_worker, release_placed, update_worker
from tuner.studies.lifecycle import Study, delete_study, stop_study
from tuner.studies.progress import count_failures, read_progress
from tuner.studies.records.reading import load_study
from tuner.studies.slots import reaping
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, LeaseLostError, StudyStoppedError, end_slot, release_slot, renew_lease
from tuner.studies.slots.outcomes import Failure, SearchOutcome, failed_outcome
from tuner.studies.slots.reaping import reap_expired_leases
from tuner.studies.trials import open_trial

OUTCOME = SearchOutcome(state="complete", score=0.5, best_epoch=1)


def claim(storage: Storage, owner: str = "a", *, lease_s: float = 30) -> Lease:
    lease = claim_slot(storage, owner=owner, lease_s=lease_s)
    assert lease is not None
    return lease


def row_of(storage: Storage, lease: Lease) -> Any:
    with storage.engine.connect() as connection:
        return connection.execute(sa.select(slots).where(slots.c.id == lease.slot_id)).one()


def test_slots_are_claimed_in_order_and_no_more_than_the_budget(storage: Storage, study: Study) -> None:
    positions = [claim(storage).position for _ in range(study.budget)]

    assert positions == list(range(study.budget))
    assert claim_slot(storage, owner="a") is None


def test_slots_of_a_placed_worker_wait_again_when_another_takes_its_place(storage: Storage, study: Study) -> None:
    assert study.budget > 4
    for owner, host in (("a", "tuner-1@node"), ("b", "tuner-10@node"), ("c", "node")):
        register_worker(storage, worker_id=owner, host=host, device="cpu", pid=1)
        claim(storage, owner)
    lost = claim(storage, "a")

    assert release_placed(storage, "tuner-1") == 2
    assert [worker.id for worker in read_workers(storage)] == ["c", "b"]
    assert [claim(storage, "d").position for _ in range(2)] == [0, 3]
    with pytest.raises(LeaseLostError):
        renew_lease(storage, lost, epoch=1)
    assert release_placed(storage, "tuner-1") == 0


def test_workers_that_claim_at_once_never_get_the_same_slot(storage_url: str, study: Study) -> None:
    claimed: list[int] = []

    def work() -> None:
        with open_storage(storage_url) as own:
            while lease := claim_slot(own, owner="w"):
                claimed.append(lease.slot_id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == len(set(claimed)) == study.budget


def test_a_claim_takes_only_slots_of_the_studies_asked_for(storage: Storage, study: Study) -> None:
    assert claim_slot(storage, owner="a", study_names=["another"]) is None
    assert claim_slot(storage, owner="a", study_names=[study.name]) is not None


@pytest.mark.usefixtures("study")
def test_an_expired_lease_goes_to_the_next_worker_under_a_higher_token(storage: Storage) -> None:
    first = claim(storage, "a", lease_s=0.05)
    time.sleep(0.1)

    freed = reap_expired_leases(storage, lease_s=0.05)
    second = claim(storage, "b")

    assert (freed, second.slot_id, second.token) == (1, first.slot_id, first.token + 1)
    assert row_of(storage, second).workers == ["a", "b"]


@pytest.mark.usefixtures("study")
def test_a_live_lease_is_not_reaped(storage: Storage) -> None:
    claim(storage, lease_s=30)

    assert reap_expired_leases(storage, lease_s=0.05) == 0


@pytest.mark.usefixtures("study")
def test_a_lease_from_before_the_databases_clock_was_set_back_ends_within_a_leases_length(storage: Storage) -> None:
    lease = claim(storage, lease_s=3600)

    reaped_at_once = reap_expired_leases(storage, lease_s=0.2)
    with storage.reader.connect() as connection:
        now = connection.scalar(sa.select(database_time()))
    left_s = row_of(storage, lease).expires_at - now
    time.sleep(0.3)
    reaped_later = reap_expired_leases(storage, lease_s=0.2)

    assert left_s <= 0.2 + 1e-6  # today in seconds leaves a double a quarter of a microsecond
    assert (reaped_at_once, reaped_later) == (0, 1)


@pytest.mark.usefixtures("study")
def test_a_server_that_came_up_in_the_future_keeps_no_lease_alive(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaping, "database_start", lambda: database_time() + 3600)
    claim(storage, lease_s=0.05)
    time.sleep(0.1)

    assert reap_expired_leases(storage, lease_s=0.05) == 1


def test_a_failure_told_in_bytes_that_are_no_text_leaves_the_study_readable(storage: Storage, study: Study) -> None:
    lease = claim(storage)
    failure = Failure(kind="builder_error", message="no file caf\udce9 \0")

    end_slot(storage, lease, failed_outcome("search", failure))

    assert read_progress(storage, study).failed == 1
    assert count_failures(storage) == {study.name: {"builder_error": 1}}
    assert row_of(storage, lease).outcome["failure"]["message"] == "no file caf\\udce9 \\x00"


@pytest.mark.usefixtures("study")
def test_a_late_worker_writes_nothing(storage: Storage) -> None:
    late = claim(storage, "a", lease_s=0.05)
    time.sleep(0.1)
    reap_expired_leases(storage, lease_s=0.05)
    claim(storage, "b")

    with pytest.raises(LeaseLostError):
        renew_lease(storage, late, epoch=3)
    with pytest.raises(LeaseLostError):
        end_slot(storage, late, OUTCOME)
    release_slot(storage, late)

    row = row_of(storage, late)
    assert (row.owner, row.state, row.outcome, row.epoch) == ("b", "leased", None, 0)


@pytest.mark.usefixtures("study")
def test_a_renewal_moves_the_expiry_and_notes_the_epoch(storage: Storage) -> None:
    lease = claim(storage, lease_s=1)
    before = row_of(storage, lease).expires_at

    renew_lease(storage, lease, epoch=2, lease_s=60)

    row = row_of(storage, lease)
    assert row.expires_at > before + 50
    assert row.epoch == 2


@pytest.mark.usefixtures("study")
def test_a_released_slot_waits_again_and_counts_no_attempt(storage: Storage) -> None:
    first = claim(storage)

    release_slot(storage, first)

    again = claim(storage)
    assert (again.slot_id, again.attempts) == (first.slot_id, 1)


@pytest.mark.usefixtures("study")
def test_an_ended_slot_cannot_end_again(storage: Storage) -> None:
    lease = claim(storage)
    end_slot(storage, lease, OUTCOME)

    with pytest.raises(LeaseLostError):
        end_slot(storage, lease, replace(OUTCOME, score=0.9))

    assert row_of(storage, lease).outcome["score"] == 0.5


def test_a_stopped_study_gives_out_nothing_and_refuses_renewals(storage: Storage, study: Study) -> None:
    lease = claim(storage)

    stop_study(storage, study)

    with pytest.raises(StudyStoppedError):
        renew_lease(storage, lease, epoch=1)
    assert claim_slot(storage, owner="b") is None


def test_a_deleted_studys_leases_are_lost(storage: Storage, study: Study) -> None:
    lease = claim(storage)

    delete_study(storage, study)

    with pytest.raises(LeaseLostError):
        renew_lease(storage, lease, epoch=1)


def test_a_fresh_process_reaps_after_others_were_in_touch_with_the_database_for_a_leases_length(
    storage_url: str, storage: Storage, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease_s = 20.0
    # The tests' server may have come up less than a lease ago.
    monkeypatch.setattr(reaping, "database_start", lambda: sa.literal(0.0))
    dead = claim(storage, "a", lease_s=-1)
    register_worker(storage, worker_id="b", host="box", device="cpu", pid=1)

    def in_touch(*, from_s: float, to_s: float) -> None:
        """Say that another worker was in contact from so many seconds ago to so many."""
        with storage.engine.begin() as connection:
            times = {"in_touch_since": database_time() - from_s, "last_seen_at": database_time() - to_s}
            connection.execute(sa.update(workers).values(times))

    def reap_with_a_fresh_process() -> int:
        with open_storage(storage_url) as fresh:
            fresh.database._since = time.monotonic() - lease_s / 5
            return reap_expired_leases(fresh, lease_s=lease_s)

    in_touch(from_s=1000, to_s=25)
    after_a_pause_of_more_than_a_lease = reap_with_a_fresh_process()
    in_touch(from_s=12, to_s=6)
    after_too_short_a_contact = reap_with_a_fresh_process()
    in_touch(from_s=25, to_s=6)
    after_a_leases_length = reap_with_a_fresh_process()

    assert dead.study_uid == study.uid
    assert (after_a_pause_of_more_than_a_lease, after_too_short_a_contact, after_a_leases_length) == (0, 0, 1)


def test_a_process_reaps_nothing_in_its_first_moments_even_if_others_were_in_touch_before(
    storage_url: str, storage: Storage, study: Study
) -> None:
    claim(storage, "a", lease_s=-1)
    register_worker(storage, worker_id="b", host="box", device="cpu", pid=1)
    with storage.engine.begin() as connection:
        connection.execute(sa.update(workers).values(in_touch_since=database_time() - 1000))

    with open_storage(storage_url) as fresh:
        reaped = reap_expired_leases(fresh, lease_s=100.0)

    assert reaped == 0
    assert claim(storage, "b").study_uid == study.uid


def test_an_outcome_whose_validation_loss_became_infinite_is_stored(storage: Storage, study: Study) -> None:
    lease = claim(storage)
    open_trial(storage, study, lease)
    diverged = Epoch(epoch=1, loss=1.0, accuracy=0.5, val_loss=math.inf, val_accuracy=0.5)

    for _ in range(2):
        # A second time, as when the answer to the COMMIT was lost.
        end_slot(storage, lease, replace(OUTCOME, curve=(diverged,)))

    assert load_study(storage, "s").trials[0].curve == (diverged,)


@contextmanager
def held_up(storage: Storage, statement: str, *, for_s: float) -> Iterator[None]:
    """Let statements that begin so reach the database later."""

    def wait(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if sql.startswith(statement):
            time.sleep(for_s)

    sa.event.listen(storage.engine, "before_cursor_execute", wait)
    yield
    sa.event.remove(storage.engine, "before_cursor_execute", wait)


@pytest.mark.usefixtures("study")
def test_what_is_held_up_on_its_way_reaps_no_lease_that_ended_meanwhile(storage: Storage) -> None:
    claim(storage, lease_s=0.5)

    with held_up(storage, "UPDATE tuner_slots", for_s=1.1):
        reaped_late = reap_expired_leases(storage, lease_s=0.01)
    time.sleep(0.05)

    assert (reaped_late, reap_expired_leases(storage, lease_s=0.01)) == (0, 1)


def test_a_heartbeat_that_is_held_up_on_its_way_says_that_it_was_in_touch_since_it_arrived(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DatabaseConnection, "uninterrupted_s", 100.0)

    def in_touch_s() -> float:
        with storage.engine.connect() as connection:
            row = connection.execute(sa.select(workers)).one()
        return float(row.last_seen_at - row.in_touch_since)

    with held_up(storage, "INSERT INTO tuner_workers", for_s=1.1):
        register_worker(storage, worker_id="a", host="here", device="cpu", pid=1)
    registered_s = in_touch_s()
    with held_up(storage, "UPDATE tuner_workers", for_s=1.1):
        update_worker(storage, "a", state="waiting")
    late_s = in_touch_s()
    update_worker(storage, "a", state="waiting")

    assert (registered_s, late_s) == pytest.approx((0, 0), abs=0.05)
    assert in_touch_s() == pytest.approx(100, abs=1)
