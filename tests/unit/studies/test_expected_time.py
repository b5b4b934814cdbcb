import pytest

from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.expected_time import MeasuredTime, expect_time, expected_epochs
from tuner.studies.records.study import MEASURED_TIME

MEASURED = MeasuredTime(start=4.0, trial=2.0, epoch=0.5, retraining=3.0, retraining_epoch=1.0)


def define(*overrides: str, trials: int = 9, epochs: int = 10) -> StudyDefinition:
    return make_definition(space="mlp", dataset="digits", trials=trials, epochs=epochs, overrides=overrides)


def test_what_was_measured_is_read_back_from_a_studys_provenance() -> None:
    assert MeasuredTime.read({MEASURED_TIME: str(MEASURED)}) == MEASURED
    assert MeasuredTime.read({"tuner": "0.1.0"}) is None
    assert MeasuredTime.read({MEASURED_TIME: "start 4"}) is None


def test_without_pruning_every_epoch_counts() -> None:
    assert expected_epochs(define("search.pruner=none")) == 90
    assert expected_epochs(define("search.pruner=none", "data.folds=5")) == 450


@pytest.mark.parametrize(("pruner", "low", "high"), [("asha", 20, 50), ("hyperband", 20, 80), ("median", 60, 80)])
def test_a_pruner_leaves_a_part_of_the_epochs(pruner: str, low: float, high: float) -> None:
    assert low < expected_epochs(define(f"search.pruner={pruner}")) < high


def test_workers_divide_the_work_of_trials_and_of_whole_finals() -> None:
    definition = define("search.pruner=none", "finals.top=1", "finals.candidates=1", "finals.repeats=3")

    alone, together = (expect_time(definition, MEASURED, n_workers=n) for n in (1, 2))

    assert alone.search_s == 4 + 9 * 7
    assert alone.finals_s == 2 * 7 + 3 * 23
    # Two of three retrainings run one after the other.
    assert together.finals_s == 7 + 2 * 23
    assert alone.search_s / 2 < together.search_s < alone.search_s


def test_limits_of_time_end_what_would_take_longer() -> None:
    definition = define("search.pruner=none", "finals.top=1", "search.timeout=30", "finals.timeout=1m")

    limited = expect_time(definition, MEASURED, n_workers=1)

    # A worker starts for 4 seconds before the clock does.
    assert (limited.search_s, limited.finals_s) == (34, 60)


def test_more_workers_than_trials_gain_nothing() -> None:
    definition = define(trials=1)

    assert (
        expect_time(definition, MEASURED, n_workers=64).search_s
        == expect_time(definition, MEASURED, n_workers=1).search_s
    )
