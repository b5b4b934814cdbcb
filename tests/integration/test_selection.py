"""What `support.selection` leaves out on a machine that lacks something."""

import os
import re
import subprocess
import sys
from pathlib import Path

from support.scheduling import SharedStarts

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


def test_files_that_share_a_costly_start_are_given_to_one_process_and_others_are_not() -> None:
    divide = SharedStarts.__new__(SharedStarts)._split_scope
    files = ("e2e/test_s3.py", "e2e/test_client.py", "chaos/test_harness.py", "integration/workers/test_signals.py")

    commands, same, workers, same_workers = (divide(f"tests/{file}::test_it") for file in files)

    assert commands == same != workers == same_workers
    assert divide("tests/unit/test_logs.py::test_it[a::b]") == "tests/unit/test_logs.py"
