"""Workers that serve several studies, one of which is deleted or cannot be served."""

import time
from collections.abc import Callable

import pytest
from chaos.fleet import Fleet, Surroundings
from chaos.studies import insert_chaos_study
from waiting import events, wait_for_epochs, wait_until

from tuner.studies.database.storage import Storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.fleet import read_workers
from tuner.studies.lifecycle import Study, delete_study, find_study, insert_study
from tuner.studies.records.reading import load_study

Surround = Callable[..., Surroundings]


def insert_without_data(storage: Storage, name: str) -> Study:
    definition = make_definition(
        space="mlp", dataset="/nowhere/data.npz", name=name, trials=2, epochs=2, overrides=["finals.top=0"]
    )
    return insert_study(storage, definition, class_names=["0", "1"], provenance={"data_sha256": "0" * 64})


@pytest.mark.parametrize("named", [[], ["chaos", "other"]])
def test_a_study_that_is_deleted_while_it_is_trained_costs_the_others_nothing_and_leaves_no_file(
    fleet: Fleet, surround: Surround, storage: Storage, named: list[str]
) -> None:
    deleted = insert_chaos_study(storage, trials=2, epochs=1000)
    insert_chaos_study(storage, name="other", trials=2, epochs=3)
    surroundings = surround(studies=named, lease_s=2.0, epoch_s=0.1)
    worker = fleet.start(surroundings)
    wait_for_epochs(fleet, [worker], 3)

    delete_study(storage, deleted)
    status = fleet.wait(worker, 60)

    assert status == 0, worker.log
    assert find_study(storage, "other").state == "done"
    assert "is away" not in worker.log
    assert [path for path in surroundings.artifacts.rglob("*") if path.is_file()] == []


def test_a_study_is_done_although_its_workers_never_lack_other_work(
    fleet: Fleet, surround: Surround, storage: Storage
) -> None:
    insert_chaos_study(storage, trials=1, epochs=2)
    insert_chaos_study(storage, name="large", trials=40, epochs=2)
    worker = fleet.start(surround(studies=[], epoch_s=0.1))

    wait_until(lambda: find_study(storage, "chaos").state == "done", timeout_s=60, fleet=fleet)

    assert worker.status is None
    assert load_study(storage, "large").trials_in("waiting")


def test_a_study_whose_data_is_gone_is_left_to_others_and_told_of_at_the_end(
    fleet: Fleet, surround: Surround, storage: Storage
) -> None:
    insert_without_data(storage, "without-data")
    insert_chaos_study(storage, trials=3, epochs=3)
    worker = fleet.start(surround(studies=[], epoch_s=0.3))
    problems: set[str | None] = set()

    def is_over() -> bool:
        problems.update(one.problem for one in read_workers(storage))
        return worker.status is not None

    wait_until(is_over, timeout_s=60, fleet=fleet)

    assert worker.status == 1
    assert find_study(storage, "chaos").state == "done"
    assert [trial.state for trial in load_study(storage, "without-data").trials] == ["waiting", "waiting"]
    assert load_study(storage, "without-data").trials[0].failure is None
    assert "Leaving study 'without-data' to other workers: " in worker.log
    assert worker.log.splitlines()[-1].count("/nowhere/data.npz") == 1
    assert any(problem and "study without-data: " in problem for problem in problems)


def test_a_fleet_waits_for_other_work_where_one_studys_data_is_gone(
    fleet: Fleet, surround: Surround, storage: Storage
) -> None:
    insert_without_data(storage, "without-data")
    worker = fleet.start(surround(studies=[], until_done=False))
    wait_until(lambda: "Leaving study" in worker.log, fleet=fleet)
    insert_chaos_study(storage, trials=1, epochs=2)

    wait_until(lambda: find_study(storage, "chaos").state == "done", fleet=fleet)

    assert worker.status is None
    # Once, and again only after a while: nothing turns in a loop.
    assert len(events(worker, "claimed")) == 2


def test_a_worker_for_a_study_alone_ends_at_once_when_its_data_is_gone(
    fleet: Fleet, surround: Surround, storage: Storage
) -> None:
    insert_without_data(storage, "without-data")
    started = time.monotonic()

    worker = fleet.start(surround(studies=["without-data"], until_done=False))
    status = fleet.wait(worker, 60)

    assert status == 1
    assert "/nowhere/data.npz" in worker.log.splitlines()[-1]
    assert time.monotonic() - started < 30
