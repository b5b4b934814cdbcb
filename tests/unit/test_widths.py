"""How many models are trained at once, found by the time that epochs take."""

import pytest

from tuner.training.populations.widths import WidthChoice


def choose(epoch_s: dict[int, float], *, most: int, compiling_s: float = 0.0, n_epochs: int = 1000) -> list[int]:
    """Return the numbers that are tried, and last the one that is chosen, where epochs of k members take so long."""
    choice, tried = WidthChoice(most=most), []
    while not choice.is_settled:
        tried.append(choice.width)
        for more_s in (compiling_s, 0.0):
            choice.observe(epoch_s[choice.width] + more_s, n_epochs_left=n_epochs)
    return [*tried, choice.width]


@pytest.mark.parametrize(
    ("epoch_s", "most", "expected"),
    [
        ({1: 1.0, 2: 1.0, 4: 1.0, 10: 1.5}, 10, [1, 2, 4, 10, 10]),
        ({1: 1.0, 2: 1.2, 4: 2.4}, 8, [1, 2, 4, 2]),
        ({1: 1.0, 2: 3.0}, 8, [1, 2, 1]),
        ({1: 1.0, 3: 1.1}, 3, [1, 3, 3]),
        ({}, 1, [1]),
    ],
    ids=["many pay", "two pay", "none pays", "three at most", "one at most"],
)
def test_the_number_that_trains_most_epochs_a_second_is_chosen(
    epoch_s: dict[int, float], most: int, expected: list[int]
) -> None:
    assert choose(epoch_s, most=most) == expected


def test_no_other_number_is_tried_where_compiling_it_takes_longer_than_it_could_save() -> None:
    epoch_s = {1: 1.0, 2: 1.0, 4: 1.0}

    assert choose(epoch_s, most=4, compiling_s=9.0, n_epochs=10) == [1, 1]
    assert choose(epoch_s, most=4, compiling_s=9.0, n_epochs=20) == [1, 2, 2]


def test_epochs_of_earlier_members_count_as_epochs_to_come() -> None:
    choice = WidthChoice(most=2)
    choice.n_epochs_before = 20

    for duration_s in (10.0, 1.0):
        choice.observe(duration_s, n_epochs_left=10)

    assert (choice.width, choice.is_settled) == (2, False)


def test_members_that_do_not_fit_are_divided() -> None:
    fixed, tried = WidthChoice.fixed(8), WidthChoice(most=8)
    for duration_s in (1.0, 1.0):
        tried.observe(duration_s, n_epochs_left=100)

    fixed.refuse()
    tried.refuse()

    assert [fixed.width, tried.width] == [4, 1]
    assert tried.is_settled
