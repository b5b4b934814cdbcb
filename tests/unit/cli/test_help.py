import pytest
from typer.testing import CliRunner

from tuner.cli import app
from tuner.workers.lifetime import MAX_SLOTS


def help_of(*words: str) -> str:
    return " ".join(CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "300"}).stdout.split())


@pytest.mark.parametrize(
    ("command", "words"),
    [("workers", f"Default: {MAX_SLOTS}."), ("worker", f"Default: a fresh process goes on after {MAX_SLOTS}.")],
)
def test_the_help_of_workers_names_the_number_that_is_used(command: str, words: str) -> None:
    assert words in help_of(command)


def test_run_takes_a_name() -> None:
    assert "--name" in help_of("run")
