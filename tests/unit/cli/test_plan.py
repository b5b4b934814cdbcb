from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from tuner.cli.plan import describe_expectation
from tuner.studies.definitions.making import make_definition
from tuner.studies.expected_time import MeasuredTime
from tuner.studies.records.study import MEASURED_TIME

MEASURED = MeasuredTime(start=4.0, trial=2.0, epoch=0.5, retraining=3.0, retraining_epoch=1.0)


def describe(measured: MeasuredTime | None, **settings: Any) -> list[str]:
    definition = make_definition(space="mlp", dataset="digits", **settings)
    provenance = {} if measured is None else {MEASURED_TIME: str(measured)}
    study: Any = SimpleNamespace(definition=definition, provenance=provenance)
    return list(describe_expectation(study, n_workers=2))


def test_a_plan_tells_epochs_and_time_and_the_two_settings_that_shorten_it_most() -> None:
    lines = describe(MEASURED, trials=20, epochs=10, pruner="none")

    assert lines[0].startswith("It will train 20 trials of up to 10 epochs, then finals: 10 confirmations")
    assert lines[1].startswith("That is 200 epochs of search, 340 of finals: about 4 min")
    assert "here with 2 workers (search 1 min" in lines[1]
    assert lines[2].startswith("Shorter: `--set finals.")
    assert lines[2].count("saves") == 2


def test_no_more_workers_are_counted_than_the_study_lets_train() -> None:
    described = describe(MEASURED, trials=20, epochs=10, overrides=["sharing.max_workers=1"])

    assert "here with 1 worker (" in described[1]


def test_nothing_is_told_where_nothing_makes_it_shorter() -> None:
    settings = ["finals.top=0", "search.pruner=none"]

    assert len(describe(replace(MEASURED, epoch=100.0), trials=1, epochs=1, overrides=settings)) == 2


def test_pruned_epochs_are_left_out_of_the_time() -> None:
    assert "60 epochs of search (about" in describe(MEASURED, trials=6, epochs=10)[1]


def test_a_short_study_is_not_made_shorter() -> None:
    assert len(describe(replace(MEASURED, epoch=0.01, retraining_epoch=0.01), trials=3, epochs=2)) == 2


def test_without_a_measurement_no_time_is_told() -> None:
    assert describe(None, trials=3, epochs=2)[-1].endswith("how long they take was not measured.")
