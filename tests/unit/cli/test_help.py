import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperArgument
from typer.main import get_command
from typer.testing import CliRunner

from tuner.cli import app
from tuner.cli.examples import EXAMPLES, commands_of
from tuner.spaces.registry import FAMILIES, RECIPES
from tuner.studies.definitions.making import compose_definition
from tuner.studies.pruners import PRUNERS
from tuner.studies.samplers import SAMPLERS
from tuner.workers.lifetime import MAX_SLOTS

WORDS = ("create", "check")
COMMANDS = [name for name, _ in commands_of(app)]


def help_of(*words: str, option: str = "--help") -> str:
    return " ".join(CliRunner().invoke(app, [*words, option], env={"COLUMNS": "300"}).stdout.split())


def open_command(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the words begin with, and the other words."""
    command: Any = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_ends_with_examples_that_can_be_typed(name: str) -> None:
    shown = help_of(*name.split(), option="-h")

    assert EXAMPLES[name]
    for example in EXAMPLES[name]:
        assert f"Example: {example}" in shown
        program, *words = shlex.split(example)
        command, arguments = open_command(words)
        assert program == "tuner"
        # Parses the line and runs nothing.
        assert command.make_context(name, arguments).params
    assert shown == help_of(*name.split())


def test_there_is_no_example_of_a_command_that_does_not_exist() -> None:
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_in_one_way(name: str) -> None:
    command, _ = open_command(name.split())

    for parameter in command.params:
        if not parameter.hidden:
            assert parameter.help, parameter.name
            assert "Default" not in parameter.help, parameter.name
            is_named = isinstance(parameter, TyperArgument) or parameter.is_flag
            assert is_named or parameter.metavar or parameter.type_descriptor.is_choice, parameter.name


def test_the_defaults_that_help_names_are_those_that_hold() -> None:
    shown = help_of("study", "create")

    definition = compose_definition({"space": "mlp"}, source="here")
    for value in (definition.search.trials, definition.search.epochs, definition.search.sampler, definition.seed):
        assert f"[default: ({value})]" in shown
    assert f"[default: ({definition.search.pruner})]" in shown
    assert f"[default: ({definition.dataset})]" in shown or f"[default: {definition.dataset}]" in shown


@pytest.mark.parametrize(
    ("command", "words"),
    [("workers", f"[default: ({MAX_SLOTS})]"), ("worker", f"[default: (a fresh process goes on after {MAX_SLOTS})]")],
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


def options_of(*words: str) -> set[str]:
    command, _ = open_command(list(words))
    return {option for parameter in command.params for option in parameter.opts}


def test_create_check_and_run_take_the_same_description_of_a_study() -> None:
    created, checked, run = options_of("study", "create"), options_of("study", "check"), options_of("run")

    assert created - checked == {"--no-check"}
    assert checked - created == {"--json"}
    on_ray = {"--ray", "--cpus-per-worker", "--gpus-per-worker"}
    assert run - created == {"-n", "--workers", "--per-gpu", "--device", "--out", "--log-format", *on_ray}
    assert not created - run


def test_finals_run_on_the_devices_that_workers_run_on() -> None:
    assert {"-n", "--workers", "--device", "--per-gpu"} <= options_of("finals") & options_of("workers")


@pytest.mark.parametrize("command", [["study", "create"], ["study", "check"], ["run"], ["init"], ["space", "show"]])
def test_help_names_the_families_and_where_the_recipes_are_listed(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "300"}).stdout

    assert f"{', '.join(FAMILIES)}, a recipe of `tuner space list`, package.module:Object, or file.py:Object." in shown
    assert not any(name in shown for name in RECIPES)


def complete(*words: str) -> list[str]:
    environment = {"_TUNER_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    result = CliRunner().invoke(app, [], prog_name="tuner", env=environment)
    assert not result.stderr
    return result.stdout.split()


def test_the_shell_completes_spaces_datasets_samplers_and_choices() -> None:
    assert complete("tuner", "run", "--space", "ml") == ["mlp"]
    assert complete("tuner", "study", "create", "--sampler", "q") == ["qmc"]
    assert complete("tuner", "dataset", "show", "dig") == ["digits"]
    assert complete("tuner", "run", "mnist-c") == ["mnist-cnn"]
    assert "trial" in complete("tuner", "tr")


def test_the_shell_completes_definition_files_and_the_folders_that_hold_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("own.toml", "owner.txt", "own-studies/a.toml"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()

    assert set(complete("tuner", "study", "create", "own")) == {"own.toml", "own-studies/"}
    assert complete("tuner", "run", "own-studies/") == ["own-studies/a.toml"]


@pytest.mark.parametrize("url", ["sqlite:////nowhere/tuner.db", "postgresql://u:p@127.0.0.1:1/x", "nonsense"])
def test_a_database_that_does_not_answer_completes_nothing_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("TUNER_STORAGE", url)

    assert complete("tuner", "study", "show", "d") == []


def test_the_shell_completes_studies_and_makes_no_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNER_STORAGE", f"sqlite:///{tmp_path}/new.db")

    assert complete("tuner", "study", "show", "d") == []
    assert not list(tmp_path.iterdir())
