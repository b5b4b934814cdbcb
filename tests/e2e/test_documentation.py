"""README's commands, and the examples of the page about other libraries, followed to the letter."""

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import start_script, start_warm
from support.warm_commands import WarmCommand

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MIGRATION = ROOT / "docs" / "migration.md"


@dataclass(frozen=True)
class Block:
    """One piece of code of a page."""

    language: str
    #: The file that it is, in its title or its first line; empty for commands.
    file: str
    text: str


def blocks_of(page: Path) -> Iterator[Block]:
    fences = re.findall(r"^```(\w*)(?: title=\"([^\"\n]+)\")?\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    for language, title, text in fences:
        first = re.match(r"# (\S+\.(?:py|toml))\n", text)
        yield Block(language=language, file=title or (first[1] if first else ""), text=text)


def commands_of(block: Block) -> list[list[str]]:
    lines = block.text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def finish(process: WarmCommand, what: object) -> str:
    stdout, stderr = process.communicate(timeout=540)
    assert process.returncode == 0, f"{what}: {process.returncode}\n{stdout}\n{stderr}"
    return stdout


def test_every_block_of_the_readme_is_run_or_known_to_need_more_than_a_folder() -> None:
    others = {block.text for block in blocks_of(README) if not block.file and block.language != "sh"}

    # The map of the packages.
    assert len(others) == 1
    assert all(text.startswith("tuner/\n") for text in others)


@pytest.mark.timeout(600)
def test_the_readmes_commands_work_in_their_order(tmp_path: Path) -> None:
    answers: dict[str, str] = {}
    for block in blocks_of(README):
        if block.file:
            (tmp_path / block.file).write_text(block.text)
        elif block.language == "sh":
            for words in commands_of(block):
                if words[0] in {"make", "docker"}:
                    continue
                command, *arguments = words
                assert command == "tuner"
                process = start_warm(tmp_path, *arguments)
                # One worker, on a machine of any size.
                os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
                answers[" ".join(words)] = finish(process, words)

    assert "Winner: rank 1" in answers["tuner run my_net.toml"]
    assert "5/5 trials" in answers["tuner study show my-net"]
    assert (tmp_path / "trials.csv").exists()
    assert "</html>" in (tmp_path / "my-net.html").read_text()


def test_the_readmes_links_lead_to_files_and_headings() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README.read_text()):
        assert "://" not in target
        path, _, anchor = target.partition("#")
        page = ROOT / path
        assert page.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page."""
    folder = tmp_path_factory.mktemp("migrated")
    for block in blocks_of(MIGRATION):
        if block.file:
            (folder / block.file).write_text(block.text)
    return folder


@pytest.mark.parametrize("name", ["kerastuner_search.py", "optuna_search.py", "grid_search.py"])
def test_a_script_for_another_library_works(migrated: Path, name: str) -> None:
    shown = finish(start_script(migrated, name), name)

    assert "units" in shown


def test_the_same_searches_work_with_tuner(migrated: Path) -> None:
    for block in blocks_of(MIGRATION):
        for _, *arguments in commands_of(block) if block.language == "sh" else ():
            if arguments[:2] == ["study", "create"]:
                # The check has tests of its own, and takes ten seconds.
                arguments = [*arguments, "--no-check"]  # noqa: PLW2901 - the command as it is run here
            if arguments[0] == "workers":
                # A pool's workers would import TensorFlow once more each.
                arguments[0] = "worker"
            shown = finish(start_warm(migrated, *arguments), arguments)
            if arguments[:2] == ["study", "show"]:
                assert "Best of the search" in shown

    assert "units" in finish(start_script(migrated, "read_with_optuna.py"), "read_with_optuna.py")
    assert (migrated / "cv_results.csv").read_text().count("\n") == 3
