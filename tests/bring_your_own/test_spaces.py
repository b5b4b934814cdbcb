"""Hyperparameters that people ask for in many ways.

What the nets learn is not looked at here, and they learn nothing: their `fit` reports epochs alone.
"""

from pathlib import Path

import pytest
from outcomes import Works, expect
from trying import Workplace, run_study

_BUILDERS = (
    "conditional_layers",
    "same_name_in_two_branches",
    "by_parent_name",
    "by_plain_if",
    "name_scopes",
    "nested_conditions",
    "numbers_of_every_kind",
    "seven_hundred_choices",
    "names_with_odd_letters",
    "a_name_of_six_hundred_letters",
    "a_condition_of_many_values",
    "reads_values_again",
    "fixed_values",
    "no_hyperparameters",
    "batch_size_too",
    "WithShape",
    "instance",
)


@pytest.mark.parametrize("builder", _BUILDERS)
def test_a_space_is_searched(builder: str, few_digits: Path, workplace: Workplace) -> None:
    works = Works(least_accuracy=0.0, trials=2, confirms=builder == "conditional_layers")

    expect(works, f"brought_spaces:{builder}", few_digits, workplace)


@pytest.mark.parametrize(
    "builder", ["rates_that_depend", "rate_chosen_here_and_drawn_there", "range_of_rates_that_depends"]
)
def test_every_trial_of_a_space_that_changes_with_its_values_is_complete(
    builder: str, few_digits: Path, workplace: Workplace
) -> None:
    settings = ["search.epochs=1", "finals.top=0", "search.sampler=random"]

    finished = run_study(workplace, f"brought_spaces:{builder}", few_digits, trials=8, settings=settings)

    assert [trial.state for trial in finished.record.trials] == ["complete"] * 8
