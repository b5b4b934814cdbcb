import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import TINY, Run, start, started
from typer.testing import CliRunner

from tuner.cli import app


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    yield
    while started:
        process = started.pop()
        process.kill()
        if process.stdout is not None and not process.stdout.closed:
            process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """Run the installed command in a folder of the test's own."""

    def run_command(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        process = start(folder, *arguments)
        stdout, stderr = process.communicate(timeout=240)
        assert process.returncode == status, f"{arguments}: {process.returncode}\n{stdout}\n{stderr}"
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    return run_command


@pytest.fixture
def create_tiny(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Create a study from `tiny.toml` with these options.

    In this very process, which imports TensorFlow once for all tests; what creation prints is tested elsewhere.
    """

    def create(*options: str) -> None:
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            created = CliRunner().invoke(app, ["study", "create", "tiny.toml", *options])
        assert created.exit_code == 0, created.output

    return create
