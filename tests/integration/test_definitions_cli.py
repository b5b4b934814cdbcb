"""Definitions on the command line: factors, ranges, and those of studies that exist."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running_studies import create_study
from typer.testing import CliRunner, Result

from tuner.cli import app
from tuner.space_ranges import SpaceRange
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import read_definition
from tuner.studies.lifecycle import find_study, list_names


@pytest.fixture
def storage(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setenv("TUNER_STORAGE", sqlite_url)
    monkeypatch.setenv("TUNER_HOME", str(tmp_path))
    with open_storage(sqlite_url) as opened:
        yield opened


def tuner(*words: str) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"})


def create(*words: str) -> Result:
    return tuner("study", "create", *words, "--no-check")


def test_vary_makes_a_comparison_whose_budget_follows_from_it(storage: Storage) -> None:
    options = ("--space=mlp", "--dataset=digits", "--name=s", "--epochs=1")
    created = create(*options, "--vary", "units=16, 64", "--vary=batch_normalization=true", "--set=search.repeats=2")

    study = find_study(storage, "s")
    assert "a budget of 8 trials" in created.stdout
    assert "(4 configurations with 2 seeds each), then no finals" in created.stdout
    assert (study.definition.search.sampler, study.definition.search.pruner) == ("one-factor", "none")
    assert study.definition.search.vary == {"units": [16, 64], "batch_normalization": [True]}
    assert study.budget == study.definition.search.trials == 8

    tuner("study", "extend", "s", "--repeats=1")
    refused = tuner("study", "extend", "s", "--trials=1")

    assert find_study(storage, "s").budget == 12
    assert "expected a multiple of 4 trials" in str(refused.exception)
    shown = json.loads(tuner("study", "show", "s", "--json").stdout)
    assert [factor["name"] for factor in shown["factors"]] == ["units", "batch_normalization"]
    assert "no difference found" not in tuner("study", "show", "s").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--vary=units",), "--vary units: expected NAME=VALUE,VALUE as in --vary kernel_size=3,5,7."),
        (("--vary=units=[3,4]",), "--vary units=[3,4]: expected NAME=VALUE,VALUE"),
        (("--vary=units=3,,4",), "--vary units=3,,4: expected NAME=VALUE"),
        (("--vary=units=16", "--vary=units=17"), "--vary units: given twice; expected all its values in one."),
        (("--vary=units=16", "--sampler=tpe"), "search.vary: values are given, but the sampler is 'tpe'"),
        (("--sampler=one-factor",), "search.vary: missing; expected the values of at least one hyperparameter."),
        (("--vary=units=16", "--set=search.baselines=[{units=3}]"), "the sampler one-factor tries only its own values"),
        (("--vary=units=16", "--warm-start=x"), "search.warm_start: the sampler one-factor tries only its own values"),
        (("--vary=unit=16",), "search.vary.unit: the space does not search it. Did you mean 'units'?"),
        (("--vary=units=5000",), "search.vary.units: received 5000, expected 10 to 1024 (log)."),
        (("--set=space.unit.low=16",), "space.unit: the space does not ask for it. Did you mean 'units'?"),
        (("--set=space.units.low=1.5",), "space.units.low: received 1.5, expected a whole number."),
    ],
)
def test_what_does_not_fit_is_one_line_and_stores_nothing(
    storage: Storage, words: tuple[str, ...], message: str
) -> None:
    refused = create("--space=mlp", "--dataset=digits", "--name=s", *words)

    assert refused.exit_code == 1
    assert message in str(refused.exception)
    assert "\n" not in str(refused.exception)
    assert list_names(storage) == []


def test_a_budget_beside_factors_is_refused_or_told(storage: Storage, tmp_path: Path) -> None:
    refused = create("--space=mlp", "--dataset=digits", "--vary=units=16", "--trials=7")
    file = tmp_path / "s.toml"
    file.write_text('name = "s"\nspace = "mlp"\ndataset = "digits"\n[search]\ntrials = 7\n')
    told = create(str(file), "--vary=units=16")

    assert refused.exit_code == 2
    assert "search.trials = 7 is not used: the values of search.vary make 6 trials." in " ".join(told.stderr.split())
    assert list_names(storage) == ["s"]


def test_the_definition_of_a_study_makes_the_same_study_again(storage: Storage, tmp_path: Path) -> None:
    ranges = ("--set=space.units.high=64", "--set=space.optimizer.values=['adam', 'sgd']")
    create("--space=mlp", "--dataset=digits", "--name=s", "--vary=units=16", "--set=fixed.dropout=0.5", *ranges)
    printed = tuner("study", "show", "s", "--toml").stdout
    file = tmp_path / "again.toml"
    file.write_text(printed)

    again = read_definition(file)

    stored = find_study(storage, "s").definition
    assert again.determines_the_same_as(stored)
    assert again.ranges == {"units": SpaceRange(high=64), "optimizer": SpaceRange(values=("adam", "sgd"))}
    assert "trials" not in printed
    assert create(str(file), "--name=t").exit_code == 0
    assert find_study(storage, "t").definition.model_copy(update={"name": "s"}) == stored


def test_a_study_like_another_has_its_settings_but_for_those_that_are_given(storage: Storage) -> None:
    create_study(storage, "s", trials=6, epochs=4, overrides=["fixed.dropout=0.5", "seed=3"], finals=())

    taken = create("--like=s")
    create("--like=s", "--name=t", "--epochs=2", "--set=seed=5")
    create("--like=s", "--name=compared", "--vary=units=16")

    assert "A study named 's' exists already" in str(taken.exception)
    like = find_study(storage, "t").definition
    assert (like.search.trials, like.search.epochs, like.seed, like.fixed) == (6, 2, 5, {"dropout": 0.5})
    compared = find_study(storage, "compared").definition
    assert (compared.search.pruner, compared.finals.top, compared.search.trials) == ("none", 0, 6)
    assert create("--like=none", "--name=u").exception is not None
    assert create("--like=s", "studies/digits.toml").exit_code == 2
    assert list_names(storage) == ["s", "t", "compared"]
