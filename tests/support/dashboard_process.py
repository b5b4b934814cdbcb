"""`tuner dashboard` as a process of its own, as a person starts it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running_dashboard(
    storage_url: str, artifacts: Path | str, *options: str, token: str | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a dashboard on a free port; give its address and its process, which ends with the block."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TUNER_")}
    environment |= {"TUNER_STORAGE": storage_url, "TUNER_ARTIFACTS": str(artifacts)}
    if token is not None:
        environment["TUNER_DASHBOARD_TOKEN"] = token
    process = subprocess.Popen(
        [sys.executable, "-m", "tuner", "dashboard", "--port", "0", *options],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        first = process.stderr.readline()
        assert first.startswith("Dashboard ("), first + process.stderr.read()
        yield first.split()[-1].rstrip("/"), process
    finally:
        process.terminate()
        process.communicate(timeout=30)
