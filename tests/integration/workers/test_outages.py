import signal
import time
from collections.abc import Callable
from pathlib import Path

from chaos.fleet import Fleet, Surroundings
from chaos.studies import insert_chaos_study
from support.postgres import PostgresServer
from waiting import events, wait_for_epochs, wait_until

from tuner.studies.database.storage import open_storage

LEASE_S = 3.0


def test_an_outage_of_two_leases_ends_no_trial_and_they_are_renewed_within_5_s(
    fleet: Fleet, own_postgres_server: PostgresServer, tmp_path: Path
) -> None:
    outage_s = 2 * LEASE_S
    url = own_postgres_server.url(own_postgres_server.create_database())
    with open_storage(url) as storage:
        insert_chaos_study(storage, trials=3, epochs=1000)
    surroundings = Surroundings(storage=url, folder=tmp_path, studies=["chaos"], lease_s=LEASE_S, epoch_s=0.2)
    workers = [fleet.start(surroundings) for _ in range(3)]
    wait_for_epochs(fleet, workers, 3)

    own_postgres_server.kill()
    time.sleep(outage_s)
    trained_before = [len(events(worker, "trained")) for worker in workers]
    own_postgres_server.start()
    back = time.monotonic()
    wait_until(
        lambda: all(any(float(str(entry["at"])) > back for entry in events(worker, "renewed")) for worker in workers),
        timeout_s=5,
    )
    wait_until(
        lambda: all(
            len(events(worker, "reported")) >= trained for worker, trained in zip(workers, trained_before, strict=True)
        )
    )

    # 0.2 s an epoch: training went on for most of the outage.
    assert min(trained_before) > outage_s / 0.2 / 2
    assert [len(events(worker, "claimed")) for worker in workers] == [1, 1, 1]
    assert [len(events(worker, "refused")) for worker in workers] == [0, 0, 0]
    for worker in workers:
        reported = [entry["epoch"] for entry in events(worker, "reported")]
        assert reported == list(range(1, len(reported) + 1))


def test_a_peer_that_stalls_for_longer_than_a_lease_ends_no_trial(
    fleet: Fleet, insert: Callable[..., object], surround: Callable[..., Surroundings], proxy: object, postgres_url: str
) -> None:
    insert(trials=2, epochs=1000)
    surroundings = surround(storage=proxy.url(postgres_url), lease_s=LEASE_S, epoch_s=0.2)  # type: ignore[attr-defined]
    trainers = [fleet.start(surroundings) for _ in range(2)]
    wait_for_epochs(fleet, trainers, 3)
    idler = fleet.start(surroundings)
    wait_until(lambda: bool(events(idler, "started")), fleet=fleet)
    # As long as it needs to be allowed to reap.
    time.sleep(LEASE_S + 1)

    proxy.hold()  # type: ignore[attr-defined]
    time.sleep(8)
    proxy.release()  # type: ignore[attr-defined]
    time.sleep(LEASE_S + 3)

    assert [len(events(worker, "claimed")) for worker in (*trainers, idler)] == [1, 1, 0]
    assert [len(events(worker, "refused")) for worker in trainers] == [0, 0]


def test_a_worker_told_to_end_does_not_wait_for_a_server_that_has_gone_silent(
    fleet: Fleet, insert: Callable[..., object], surround: Callable[..., Surroundings], proxy: object, postgres_url: str
) -> None:
    insert(trials=1, epochs=1000)
    worker = fleet.start(surround(storage=proxy.url(postgres_url), epoch_s=0.2))  # type: ignore[attr-defined]
    wait_for_epochs(fleet, [worker], 3)

    proxy.hold()  # type: ignore[attr-defined]
    time.sleep(2)
    begun = time.monotonic()
    worker.send(signal.SIGTERM)
    status = fleet.wait(worker, 30)
    duration_s = time.monotonic() - begun
    proxy.release()  # type: ignore[attr-defined]

    assert status == 143
    # 8 s for its epoch and the report of it, 2 s for each of the few connections that it may try.
    assert duration_s < 13


def test_a_worker_whose_database_is_away_for_too_long_asks_to_be_started_again(
    fleet: Fleet, own_postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = own_postgres_server.url(own_postgres_server.create_database())
    with open_storage(url) as storage:
        insert_chaos_study(storage, trials=1, epochs=1000)
    surroundings = Surroundings(storage=url, folder=tmp_path, studies=["chaos"], lease_s=LEASE_S, patience_s=1.0)
    worker = fleet.start(surroundings)
    wait_for_epochs(fleet, [worker], 3)

    own_postgres_server.kill()
    status = fleet.wait(worker, 60)

    assert status == 75
    assert "The database did not come back in time." in worker.log
    assert "ERROR the database is away: " in worker.log
    assert "Traceback" not in worker.log
