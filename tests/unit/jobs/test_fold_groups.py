"""Which folds of a job may be trained at once."""

import pytest

from tuner.jobs.fitting.folds import group_folds


@pytest.mark.parametrize(
    ("decided_after", "n_larger", "expected"),
    [
        ((), 0, [[1, 2, 3, 4, 5]]),
        ((1, 3), 0, [[1], [2, 3], [4, 5]]),
        ((1, 2, 3, 4), 0, [[1], [2], [3], [4], [5]]),
        ((), 3, [[1, 2, 3], [4, 5]]),
        ((1,), 3, [[1], [2, 3], [4, 5]]),
    ],
    ids=["no pruner", "asha", "each decides", "unequal folds", "both"],
)
def test_equal_folds_between_two_decisions_are_trained_at_once(
    decided_after: tuple[int, ...], n_larger: int, expected: list[list[int]]
) -> None:
    sizes = {fold: 10 + (fold <= n_larger) for fold in range(1, 6)}

    assert group_folds(range(1, 6), sizes, lambda fold: fold in decided_after) == expected


def test_a_job_goes_on_with_the_folds_that_are_left() -> None:
    assert group_folds(range(3, 6), dict.fromkeys(range(1, 6), 10), lambda fold: fold == 4) == [[3, 4], [5]]
