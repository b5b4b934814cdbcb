"""The chaos harness in short; `python -m chaos` runs it in full."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "flags",
    [
        ["--workers", "4", "--trials", "12", "--kills", "8", "--restarts", "2", "--epoch-s", "0.1"],
        ["--sqlite", "--workers", "2", "--trials", "6", "--kills", "4", "--epoch-s", "0.1"],
    ],
    ids=["postgres", "sqlite"],
)
def test_nothing_is_lost_whatever_dies(flags: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "--seed", "7", *flags],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
