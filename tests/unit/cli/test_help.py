import pytest
from typer.testing import CliRunner

from tuner.cli import app
from tuner.spaces.registry import SPACES
from tuner.workers.lifetime import MAX_SLOTS


def test_the_help_of_workers_names_the_number_that_is_used() -> None:
    shown = CliRunner().invoke(app, ["workers", "--help"], env={"COLUMNS": "300"}).stdout

    assert f"{MAX_SLOTS} without." in shown
    assert "40 without" not in shown


@pytest.mark.parametrize("command", [["study", "create"], ["study", "check"], ["space", "show"]])
def test_help_names_the_spaces_that_there_are(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "300"}).stdout

    assert f"{', '.join(SPACES)} or package.module:Object." in shown


def test_run_takes_a_name() -> None:
    assert "--name" in CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "300"}).stdout
