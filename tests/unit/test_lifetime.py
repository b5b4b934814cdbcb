from itertools import chain, repeat

import pytest

from tuner.workers.lifetime import Lifetime


def slots_worked_on(megabytes: list[int], *, max_slots: int | None) -> int:
    """Work until the process is to be replaced, for 50 slots at most; the last measurement stays."""
    measurements = chain(megabytes, repeat(megabytes[-1]))
    lifetime = Lifetime(max_slots=max_slots, measure=lambda: next(measurements))
    for n_slots in range(50):
        if lifetime.is_over():
            return n_slots
        lifetime.end_slot()
    return 50


@pytest.mark.parametrize(
    ("megabytes", "max_slots", "expected"),
    [
        ([900], 40, 40),
        ([900], 1, 1),
        ([900], None, 50),
        ([900, 2000], None, 50),
        ([900, 2000], 40, 10),
        ([900, *range(910, 2000, 10)], 40, 23),
    ],
)
def test_a_process_ends_after_its_slots_or_sooner_when_its_memory_has_grown(
    megabytes: list[int], max_slots: int | None, expected: int
) -> None:
    assert slots_worked_on(megabytes, max_slots=max_slots) == expected


def test_the_memory_of_this_process_is_measured() -> None:
    lifetime = Lifetime(max_slots=40)
    lifetime.end_slot()

    assert not lifetime.is_over()
    assert lifetime.measure() > 2**20
