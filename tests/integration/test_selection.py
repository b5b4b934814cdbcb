"""What `support.selection` leaves out on a machine that lacks something."""

import os
import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


def collect(*files: str, settings: dict[str, str]) -> str:
    """Return what pytest prints that only collects these files."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "TUNER_"))}
    done = subprocess.run(command, cwd=TESTS, env=environment | settings, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_without_a_browser_its_tests_are_left_out_in_one_line_unless_they_must_run(tmp_path: Path) -> None:
    nothing = {"PATH": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)}

    left_out = collect("browser/test_report.py", settings=nothing)
    needed = collect("browser/test_report.py", settings=nothing | {"TUNER_NEED_BROWSER": "1"})

    (line,) = re.findall(r".*NOT RUN.*", left_out)
    assert re.match(r"\d+ browser tests were NOT RUN: none is installed, and .*Install Chromium to run them\.$", line)
    assert "test_report.py::" not in left_out
    assert "NOT RUN" not in needed
    assert "test_report.py::" in needed
