"""What a study of one factor at a time found: differences seed by seed."""

import dataclasses
from typing import Any

import pytest
from support.factors import compared_study, compared_trial
from support.made_slots import make_slot
from support.objectives import ACCURACY, LOSS

from tuner.studies.ranking import best_trials
from tuner.studies.records.export import study_as_json
from tuner.studies.records.factors import compare_factors, expected_by_chance, paired_interval
from tuner.studies.records.study import StudyRecord
from tuner.studies.slots.outcomes import SearchJob, SearchOutcome


def test_an_interval_of_paired_differences_is_students() -> None:
    interval = paired_interval([0.01, 0.02, 0.06])

    # Mean 0.03, standard error 0.0152753, quantile 4.302653 of two degrees of freedom.
    assert interval == pytest.approx((-0.0357243, 0.0957243), abs=1e-6)
    assert paired_interval([0.01]) is None
    assert paired_interval([]) is None
    assert paired_interval([0.0, 0.0]) == (0.0, 0.0)
    assert paired_interval([0.01, 0.01 + 1e-9]) is None, "their spread was not measured"


def test_differences_are_taken_seed_by_seed_from_the_defaults_that_all_factors_share() -> None:
    study = compared_study(
        {"size": {5: [0.91, 0.96, 0.94], 7: [0.90, 0.95, 0.93]}, "pooling": {"max": [0.50, 0.60, 0.55]}},
        default={"size": 3, "pooling": "average"},
        default_scores=[0.90, 0.95, 0.93],
    )

    size, pooling = compare_factors(study)

    assert (size.name, [value.value for value in size.values]) == ("size", [3, 5, 7])
    assert size.default.scores == pooling.default.scores == {0: 0.90, 1: 0.95, 2: 0.93}
    _, better, equal = size.values
    assert better.difference == pytest.approx(0.01)
    assert (better.verdict, better.interval) == ("too few seeds", None), "all differences are equal"
    assert (equal.difference, equal.verdict) == (0.0, "no difference found")
    assert (pooling.values[1].value, pooling.values[1].verdict) == ("max", "worse")
    assert pooling.values[1].sd == pytest.approx(0.05)
    assert expected_by_chance([size, pooling]) == pytest.approx(0.05 * 2)


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ([0.95, 0.97, 0.96], "better"),
        ([0.85, 0.86, 0.88], "worse"),
        ([0.95, 0.85, 0.91], "no difference found"),
        ([0.95], "too few seeds"),
    ],
)
def test_a_difference_is_found_where_its_interval_misses_zero(scores: list[float], verdict: str) -> None:
    study = compared_study({"size": {5: scores}}, default={"size": 3}, default_scores=[0.90, 0.91, 0.905])

    (size,) = compare_factors(study)

    assert size.values[1].verdict == verdict


def test_a_smaller_loss_is_better() -> None:
    study = compared_study({"size": {5: [0.1, 0.11]}}, default={"size": 3}, default_scores=[0.5, 0.52])

    (size,) = compare_factors(dataclasses.replace(study, objective=LOSS))

    assert size.values[1].verdict == "better"


def test_only_complete_trials_are_compared_and_only_with_the_default_of_their_seed() -> None:
    study = compared_study({"size": {5: [0.95, 0.97, 0.96]}}, default={"size": 3}, default_scores=[0.90, 0.91, 0.905])
    states = {1: "pruned", 2: "failed"}
    trials = [dataclasses.replace(one, state=states.get(one.number, one.state)) for one in study.trials]

    (size,) = compare_factors(dataclasses.replace(study, trials=tuple(trials)))

    # Trial 0 and 1 have the first seed, 2 and 3 the second.
    assert size.default.scores == {0: 0.90, 2: 0.905}
    assert size.values[1].scores == {1: 0.97, 2: 0.96}
    assert size.values[1].differences == {2: pytest.approx(0.055)}
    assert len(size.values[1].trials) == 3


def test_other_studies_have_no_factors() -> None:
    study = compared_study({}, default={"size": 3}, default_scores=[0.9])
    plain = [dataclasses.replace(trial, varied=None, repeat=None) for trial in study.trials]

    assert compare_factors(dataclasses.replace(study, trials=tuple(plain))) == ()


def test_json_has_the_comparison_of_each_value(artifacts: Any) -> None:
    study = compared_study({"size": {5: [0.95, 0.97]}}, default={"size": 3}, default_scores=[0.90, 0.91])

    (factor,) = study_as_json(study, artifacts)["factors"]

    default, other = factor["values"]
    assert (factor["name"], default["value"], default["is_default"]) == ("size", 3, True)
    assert (default["difference"], default["difference_interval"], default["finding"]) == (None, None, "default")
    assert (other["value"], other["pairs"], other["trials"]) == (5, 2, [1, 3])
    assert other["difference"] == pytest.approx(0.055)
    assert other["difference_interval"][0] < 0.055 < other["difference_interval"][1]


def test_one_repeat_stands_for_a_configuration_among_the_best() -> None:
    slots = [
        make_slot(
            number,
            "search",
            SearchJob(varied=varied, repeat=repeat, seed=repeat),
            SearchOutcome(state="complete", score=score),
            number=number,
        )
        for number, (varied, repeat, score) in enumerate(
            [({}, 0, 0.9), ({"a": 1}, 0, 0.7), ({}, 1, 0.95), ({"a": 1}, 1, 0.8), ({"a": True}, 0, 0.6)]
        )
    ]

    assert [slot.trial_number for slot in best_trials(slots, ACCURACY)] == [2, 3, 4]


def test_a_default_that_has_not_ended_has_no_value_yet() -> None:
    waiting = compared_trial(0, {}, {}, repeat=0, score=None)
    varied = compared_trial(1, {}, {"size": 5}, repeat=0, score=None)
    study = compared_study({}, default={}, default_scores=[])
    study: StudyRecord = dataclasses.replace(study, trials=(waiting, varied))

    (size,) = compare_factors(study)

    assert (size.default.value, size.default.mean, size.values[1].difference) == (None, None, None)
    assert size.values[1].verdict == "too few seeds"
