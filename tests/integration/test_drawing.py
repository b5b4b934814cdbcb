"""Hyperparameters that Optuna cannot hold by their plain names, in the databases that a study may have."""

from collections.abc import Iterator
from typing import Any

import keras_tuner
import optuna
import pytest

from tuner.jobs.hyperparameters.hp import OptunaHyperParameters
from tuner.studies.database.storage import Storage, open_storage


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    with open_storage(request.getfixturevalue(request.param)) as opened:
        yield opened


def ask(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    deep = hp.Boolean("deep")
    hp.Choice("kernel", [3] if deep else [3, 5])
    if deep:
        hp.Choice("units", [8, 16])
    else:
        hp.Int("units", 32, 64, step=16)
    hp.Float("r" * 600, 0.0, 1.0)
    hp.Choice("label", ["l" * 3000, "m" * 3000])
    return dict(hp.values)


def test_forms_that_change_and_names_that_are_long_are_drawn_and_read_again(storage: Storage) -> None:
    study = optuna.create_study(storage=storage.optuna, sampler=optuna.samplers.RandomSampler(seed=1))
    trials = [study.ask() for _ in range(12)]

    drawn = [ask(OptunaHyperParameters(trial)) for trial in trials]
    again = [ask(OptunaHyperParameters(optuna.trial.Trial(study, trial._trial_id))) for trial in trials]

    assert again == drawn
    assert {values["units"] for values in drawn if values["deep"]} == {8, 16}
    assert {values["units"] for values in drawn if not values["deep"]} <= {32, 48, 64}
    assert {values["kernel"] for values in drawn if not values["deep"]} == {3, 5}
