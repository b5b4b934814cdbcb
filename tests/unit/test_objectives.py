"""An objective says which epochs and scores are better, and how people read them."""

import math

import pytest
from support.objectives import ACCURACY, LOSS

from tuner.epochs import Epoch
from tuner.objectives import DEFAULT_OBJECTIVE, OBJECTIVES, Objective

CURVE = tuple(
    Epoch(epoch=number, loss=None, accuracy=None, val_loss=loss, val_accuracy=accuracy)
    for number, (loss, accuracy) in enumerate(((0.9, 0.5), (0.4, 0.8), (0.4, 0.8), (0.6, None), (math.nan, 0.7)), 1)
)


@pytest.mark.parametrize(("objective", "better", "worse"), [(ACCURACY, 0.9, 0.8), (LOSS, 0.8, 0.9)])
def test_the_direction_says_which_score_is_better(objective: Objective, better: float, worse: float) -> None:
    assert objective.is_better(better, worse)
    assert not objective.is_better(worse, better)
    assert not objective.is_better(better, better)
    assert objective.best_of([worse, better, worse]) == better
    assert objective.best_of([]) is None


@pytest.mark.parametrize("objective", [ACCURACY, LOSS])
def test_a_score_that_is_missing_or_no_number_is_the_worst(objective: Objective) -> None:
    assert objective.is_better(0.0, None)
    assert objective.is_better(0.0, math.nan)
    assert not objective.is_better(None, 0.0)
    assert objective.best_of([math.nan, 1e9]) == 1e9


@pytest.mark.parametrize("objective", [ACCURACY, LOSS])
def test_the_best_epoch_is_the_earlier_of_equals_among_those_that_have_a_score(objective: Objective) -> None:
    best = objective.best_epoch(CURVE)

    assert best is not None
    assert best.epoch == 2
    assert objective.best_epoch([ACCURACY.only_score(1, None)]) is None
    assert objective.best_epoch([objective.only_score(1, math.nan)]) is None


def test_an_epoch_of_which_its_score_alone_is_known_has_nothing_else() -> None:
    assert LOSS.only_score(3, 0.5) == Epoch(epoch=3, loss=None, accuracy=None, val_loss=0.5, val_accuracy=None)
    assert ACCURACY.of(ACCURACY.only_score(3, 0.5)) == 0.5
    assert ACCURACY.of(LOSS.only_score(3, 0.5)) is None


@pytest.mark.parametrize(
    ("objective", "score", "written"),
    [
        (ACCURACY, 0.98765, "98.77\u00a0%"),
        (ACCURACY, 1.0, "100.00\u00a0%"),
        (LOSS, 0.0123456, "0.01235"),
        (LOSS, 2.0, "2"),
        (ACCURACY, None, "\u2013"),
        (LOSS, None, "\u2013"),
    ],
)
def test_a_score_is_written_as_its_objective_says(objective: Objective, score: float | None, written: str) -> None:
    assert objective.format(score) == written


def test_a_score_is_written_with_as_many_digits_as_are_asked_for() -> None:
    assert (ACCURACY.format(0.98765, digits=4), LOSS.format(0.0123456, digits=2)) == ("98.7650\u00a0%", "0.012")


def test_every_objective_has_the_name_of_its_entry_and_is_read_from_an_epoch() -> None:
    assert DEFAULT_OBJECTIVE in OBJECTIVES
    for name, objective in OBJECTIVES.items():
        assert objective.name == name
        assert objective.of(objective.only_score(1, 0.25)) == 0.25
        assert objective.title[0].isupper()
        assert objective.advice
        assert not objective.advice.endswith(".")
