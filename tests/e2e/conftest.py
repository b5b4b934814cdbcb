import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import TINY, Run, RunHere, end_server, start_warm, started
from support.warm_commands import WarmCommand
from typer.testing import CliRunner

from tuner.cli import app, main


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    yield
    while started:
        process = started.pop()
        process.kill()
        if isinstance(process, WarmCommand) or (process.stdout is not None and not process.stdout.closed):
            process.communicate(timeout=30)


@pytest.fixture(scope="session", autouse=True)
def _server_of_commands() -> Iterator[None]:
    yield
    end_server()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """Run the command in a folder of the test's own, in a process of its own."""

    def run_command(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        process = start_warm(folder, *arguments)
        stdout, stderr = process.communicate(timeout=240)
        assert process.returncode == status, f"{arguments}: {process.returncode}\n{stdout}\n{stderr}"
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    return run_command


@pytest.fixture
def run_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> RunHere:
    """Run a command in this very process and return what it prints on standard output.

    For what is not under test itself: its start would take seconds, of which TensorFlow's import is the most.
    """

    def run_command(*arguments: str) -> str:
        with monkeypatch.context() as patch:
            _enter(folder, patch)
            ended = CliRunner().invoke(app, arguments)
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    return run_command


@pytest.fixture
def fail_here(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunHere:
    """Run a command in this very process that must fail with status 1 and one line, and return that line."""

    def run_command(*arguments: str) -> str:
        with monkeypatch.context() as patch:
            _enter(folder, patch)
            patch.setattr("sys.argv", ["tuner", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        stdout, stderr = capsys.readouterr()
        assert (ended.value.code, stdout) == (1, ""), stderr
        (line,) = stderr.splitlines()
        assert line.startswith("tuner: ")
        return line

    return run_command


def _enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(folder)
    patch.setenv("COLUMNS", "200")
    patch.setenv("TUNER_DATA", str(folder / "data"))


@pytest.fixture
def create_tiny(run_here: RunHere) -> Callable[..., None]:
    """Create a study from `tiny.toml` with these options; what it needs was tried in other tests."""

    def create(*options: str) -> None:
        run_here("study", "create", "tiny.toml", "--no-check", *options)

    return create
