"""`tuner study definitions`, and shipped definitions by name on the command line."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tuner.cli import app

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNER_HOME", str(tmp_path / "home"))


def tuner(*words: str) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"})


def test_every_shipped_definition_is_listed_with_what_it_is() -> None:
    listed = json.loads(tuner("study", "definitions", "--json").stdout)

    assert {one["name"] for one in listed} == {path.stem for path in STUDIES.rglob("*.toml")}
    assert listed[0]["name"] == "digits"
    assert listed[0]["description"].startswith("The quick start: 1,797 handwritten digits")
    assert tuner("study", "definitions").stdout.count("The quick start") == 1


def test_a_shipped_definition_is_printed_to_be_copied_and_not_written_to() -> None:
    assert tomllib.loads(tuner("study", "definitions", "digits").stdout)["name"] == "digits"
    refused = tuner("lr-range", "digits", "--write", "digits")
    assert "comes with tuner stays as it is. Make a copy: `tuner study definitions digits > digits.toml`" in str(
        refused.exception
    )


def test_a_mistyped_name_suggests_the_one_that_was_meant() -> None:
    assert "Did you mean 'mnist-cnn'?" in tuner("study", "definitions", "mnist-cn").output
    assert "Did you mean 'mnist-cnn'?" in str(tuner("study", "create", "mnist-cn").exception)
