from collections.abc import Callable

from chaos.fleet import Fleet, Surroundings
from waiting import events

from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.lifecycle import Study, list_names
from tuner.studies.records.reading import read_slots


def test_eight_workers_that_start_on_an_empty_database_all_live(
    fleet: Fleet, surround: Callable[..., Surroundings], empty_postgres_url: str
) -> None:
    surroundings = surround(storage=empty_postgres_url, studies=[])

    workers = [fleet.start(surroundings) for _ in range(8)]
    statuses = [fleet.wait(worker, 60) for worker in workers]

    assert statuses == [0] * 8, "\n".join(worker.log for worker in workers)
    with open_storage(empty_postgres_url) as storage:
        assert list_names(storage) == []


def test_workers_in_other_time_zones_and_with_wrong_clocks_lose_no_lease(
    fleet: Fleet, insert: Callable[..., Study], surround: Callable[..., Surroundings], storage: Storage
) -> None:
    study = insert(trials=6, epochs=4)
    places = [("Asia/Tokyo", 3600.0), ("America/New_York", -3600.0), ("UTC", 0.0)]

    workers = [
        fleet.start(surround(lease_s=1.0, epoch_s=0.4, environment={"TZ": zone}, clock_offset_s=offset_s))
        for zone, offset_s in places
    ]
    statuses = [fleet.wait(worker, 60) for worker in workers]

    rows = read_slots(storage, study.id)
    assert statuses == [0, 0, 0]
    assert sum(len(events(worker, "claimed")) for worker in workers) == 6
    assert all(0 < row.finished_at - row.started_at < 30 for row in rows)
    assert max(row.finished_at for row in rows) - min(row.started_at for row in rows) < 60
