import pytest
from typer.testing import CliRunner

from tuner.cli import app
from tuner.spaces.registry import FAMILIES, RECIPES
from tuner.studies.pruners import PRUNERS
from tuner.studies.samplers import SAMPLERS
from tuner.workers.lifetime import MAX_SLOTS

WORDS = ("create", "check")


def help_of(*words: str) -> str:
    return " ".join(CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "300"}).stdout.split())


@pytest.mark.parametrize(
    ("command", "words"),
    [("workers", f"Default: {MAX_SLOTS}."), ("worker", f"Default: a fresh process goes on after {MAX_SLOTS}.")],
)
def test_the_help_of_workers_names_the_number_that_is_used(command: str, words: str) -> None:
    assert words in help_of(command)


@pytest.mark.parametrize("command", WORDS)
@pytest.mark.parametrize("table", [SAMPLERS, PRUNERS], ids=["samplers", "pruners"])
def test_the_help_says_what_each_sampler_and_pruner_is_for(command: str, table: dict[str, object]) -> None:
    shown = help_of("study", command)

    for name, function in table.items():
        line = (function.__doc__ or "").partition("\n")[0]
        assert f"{name}: {line[0].lower()}{line[1:]}" in shown


def test_create_and_check_take_the_same_description_of_a_study() -> None:
    created, checked = ({word for word in help_of("study", name).split() if word.startswith("--")} for name in WORDS)

    assert created - checked == {"--no-check"}
    assert checked - created == {"--json"}


@pytest.mark.parametrize("command", [["study", "create"], ["study", "check"], ["space", "show"]])
def test_help_names_the_families_and_where_the_recipes_are_listed(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "300"}).stdout

    assert f"{', '.join(FAMILIES)}, a recipe of `tuner space list`, package.module:Object, or file.py:Object." in shown
    assert not any(name in shown for name in RECIPES)


def test_run_takes_a_name() -> None:
    assert "--name" in help_of("run")
