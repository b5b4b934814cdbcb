import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tuner.cli import app
from tuner.studies.definitions.making import compose_definition, read_definition


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["init", "pets", "--space", "mlp", "--dataset", "digits"])
    assert "tuner run pets.toml" in result.stdout
    return tmp_path / "pets.toml"


def test_a_new_definition_has_every_setting_with_its_default(file: Path) -> None:
    expected = compose_definition({"name": "pets", "space": "mlp", "dataset": "digits"}, source="here")
    text = file.read_text()

    assert read_definition(file) == expected
    assert "# trials: the budget" in text
    assert "# trials = 20" in text
    # Without its marks every default stays what it was.
    file.write_text(re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE))
    assert read_definition(file) == expected


def test_what_is_not_there_by_default_is_switched_on_by_removing_its_marks(file: Path) -> None:
    before, table, after = file.read_text().partition("## [search.augmentation]")
    settings, others, rest = after.partition("## [search.annealing]")

    settings = re.sub(r"^## (?=\w+ = )", "", settings, flags=re.MULTILINE)
    file.write_text(before + table.removeprefix("## ") + settings + others + rest)

    assert read_definition(file).search.augmentation is not None


def test_no_file_is_replaced(file: Path) -> None:
    file.write_text("mine")

    result = CliRunner().invoke(app, ["init", "pets"])

    assert result.exit_code == 1
    assert "pets.toml exists already" in str(result.exception)
    assert file.read_text() == "mine"


def test_a_folder_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["init", "pets", "--out", str(tmp_path / "no" / "pets.toml")])

    assert "Could not write" in str(result.exception)
