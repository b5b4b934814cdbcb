import signal
import subprocess
import sys
import time
from collections.abc import Callable

from chaos.fleet import Fleet, Surroundings
from waiting import events, wait_for_epochs, wait_until

from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study
from tuner.studies.progress import read_progress
from tuner.studies.records.reading import read_slots
from tuner.studies.slots.reaping import reap_expired_leases


def test_a_worker_stopped_for_three_leases_writes_nothing_when_it_goes_on(
    fleet: Fleet, insert: Callable[..., Study], surround: Callable[..., Surroundings], storage: Storage
) -> None:
    study = insert(trials=1, epochs=40)
    surroundings = surround(lease_s=1.0, epoch_s=0.1)
    late = fleet.start(surroundings)
    wait_for_epochs(fleet, [late], 3)
    successor = fleet.start(surroundings)

    late.send(signal.SIGSTOP)
    time.sleep(3)
    wait_until(lambda: bool(events(successor, "claimed")), fleet=fleet)
    n_before = len(late.entries)
    late.send(signal.SIGCONT)
    statuses = [fleet.wait(worker, 60) for worker in (successor, late)]

    (row,) = read_slots(storage, study.id)
    written = {entry.event for entry in late.entries[n_before:]} & {"renewed", "reported", "ended"}
    assert statuses == [0, 0]
    assert written == set()
    assert events(late, "refused")
    assert row.workers == (late.id, successor.id)
    assert [path for path in surroundings.artifacts.rglob("*") if path.is_file()] == []


def test_sigterm_frees_the_slot_within_10_s_and_counts_no_attempt(
    fleet: Fleet, insert: Callable[..., Study], surround: Callable[..., Surroundings], storage: Storage
) -> None:
    study = insert(trials=1, epochs=1000)
    worker = fleet.start(surround(epoch_s=0.1))
    wait_for_epochs(fleet, [worker], 3)

    worker.send(signal.SIGTERM)
    status = fleet.wait(worker, 10)

    (row,) = read_slots(storage, study.id)
    assert status == 143
    assert (row.state, row.attempts) == ("waiting", 0)
    assert read_progress(storage, study).waiting == 1


def test_sigterm_in_an_epoch_that_is_too_long_frees_the_slot_within_10_s(
    fleet: Fleet, insert: Callable[..., Study], surround: Callable[..., Surroundings], storage: Storage
) -> None:
    study = insert(trials=1, epochs=2)
    worker = fleet.start(surround(epoch_s=60.0))
    wait_until(lambda: bool(events(worker, "resumed")), fleet=fleet)

    worker.send(signal.SIGTERM)
    status = fleet.wait(worker, 10)

    (row,) = read_slots(storage, study.id)
    assert status == 143
    assert (row.state, row.attempts) == ("waiting", 0)


def test_a_worker_that_lost_its_slot_to_nobody_leaves_its_checkpoint_for_the_next_worker(
    fleet: Fleet, insert: Callable[..., Study], surround: Callable[..., Surroundings], storage: Storage
) -> None:
    study = insert(trials=1, epochs=40)
    surroundings = surround(lease_s=1.0, epoch_s=0.1)
    late = fleet.start(surroundings)
    wait_for_epochs(fleet, [late], 5)

    late.send(signal.SIGSTOP)
    time.sleep(1.5)
    # What any worker's reaping does; none is there to go on with it.
    reap_expired_leases(storage, lease_s=1.0)
    late.send(signal.SIGCONT)
    status = fleet.wait(late, 60)

    (row,) = read_slots(storage, study.id)
    resumed = [entry["epoch"] for entry in events(late, "resumed")]
    assert status == 0
    assert (row.state, row.workers) == ("done", (late.id, late.id))
    assert int(str(resumed[1])) >= 5


def test_a_second_interrupt_ends_an_epoch_at_once(
    fleet: Fleet, insert: Callable[..., Study], surround: Callable[..., Surroundings]
) -> None:
    insert(trials=1, epochs=2)
    worker = fleet.start(surround(epoch_s=60.0))
    wait_until(lambda: bool(events(worker, "resumed")), fleet=fleet)

    worker.send(signal.SIGINT)
    time.sleep(1)
    assert worker.status is None
    worker.send(signal.SIGINT)

    assert fleet.wait(worker, 3) == 130


def test_what_is_sent_to_a_process_that_the_worker_forked_is_not_taken_for_the_worker() -> None:
    # Such as the processes of Keras' PyDataset, which end by SIGTERM.
    script = """
import multiprocessing, time
from unittest.mock import Mock
from tuner.workers.process import _Signals
worker = Mock()
signals = _Signals(worker)
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=[60])
child.start()
child.terminate()
child.join(10)
time.sleep(0.5)
print(child.exitcode, signals.first, worker.drain.called)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ended.stdout == f"{-signal.SIGTERM} None False\n"
