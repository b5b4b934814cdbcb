from collections.abc import Callable

import pytest
from chaos.checker import find_violations, gather_evidence
from chaos.faults import POINTS
from chaos.fleet import Fleet, Surroundings
from chaos.journal import read_journals
from chaos.studies import undisturbed_curves

from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study

LEASE_S = 1.0


def violations(storage: Storage, study: Study, surroundings: Surroundings) -> list[str]:
    evidence = gather_evidence(
        storage,
        study.name,
        read_journals(surroundings.journal),
        artifacts=surroundings.artifacts,
        lease_s=surroundings.lease_s,
        expected=undisturbed_curves(study.definition),
    )
    return find_violations(evidence)


@pytest.mark.parametrize("point", [point for point in POINTS if point != "while-reaping"])
def test_nothing_is_lost_by_two_deaths_at_a_point(
    fleet: Fleet, insert: Callable[..., Study], surround: Callable[..., Surroundings], storage: Storage, point: str
) -> None:
    study = insert(trials=2, epochs=4)
    surroundings = surround(lease_s=LEASE_S, epoch_s=0.05)

    doomed = [fleet.start(surroundings, doom=point) for _ in range(2)]
    statuses = [fleet.wait(worker, 60) for worker in doomed]
    survivor = fleet.start(surroundings)

    assert statuses == [-9, -9]
    assert fleet.wait(survivor, 60) == 0
    assert violations(storage, study, surroundings) == []


def test_nothing_is_lost_by_a_death_while_reaping(
    fleet: Fleet, insert: Callable[..., Study], surround: Callable[..., Surroundings], storage: Storage
) -> None:
    study = insert(trials=1, epochs=4)
    surroundings = surround(lease_s=LEASE_S, epoch_s=0.05)
    fleet.wait(fleet.start(surroundings, doom="after-claim"), 60)

    reaper = fleet.start(surroundings, doom="while-reaping")
    status = fleet.wait(reaper, 60)
    survivor = fleet.start(surroundings)

    assert status == -9
    assert fleet.wait(survivor, 60) == 0
    assert violations(storage, study, surroundings) == []
