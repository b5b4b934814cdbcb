"""`tuner dashboard` as a process of its own, forked by one that has imported what it imports: two seconds less."""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from tuner.forking.client import ForkServer
from tuner.forking.process import ForkedProcess

_IMPORTED = ("tuner.cli", "optuna_dashboard", "tuner.dashboard.server", "tuner.dashboard.site", "tuner.report.page")
#: What a dashboard has otherwise than another one.
_CHANGEABLE = ("TUNER_STORAGE", "TUNER_ARTIFACTS", "TUNER_DASHBOARD_TOKEN")


@dataclass(frozen=True)
class DashboardProcess:
    """A dashboard that runs."""

    process: ForkedProcess
    #: What it writes there after its address.
    stderr: IO[str]


@contextmanager
def running_dashboard(
    storage_url: str, artifacts: Path | str, *options: str, token: str | None = None
) -> Iterator[tuple[str, DashboardProcess]]:
    """Start a dashboard on a free port; give its address and its process, which ends with the block."""
    environment = _environment() | {"TUNER_STORAGE": storage_url, "TUNER_ARTIFACTS": str(artifacts)}
    if token is not None:
        environment["TUNER_DASHBOARD_TOKEN"] = token
    reading, writing = os.pipe()
    with os.fdopen(reading) as stderr, Path(os.devnull).open("wb") as nowhere:
        with os.fdopen(writing, "wb") as its_stderr:
            process = _server().start(
                [sys.executable, "-m", "tuner", "dashboard", "--port", "0", *options],
                environment=environment,
                stdout=nowhere,
                stderr=its_stderr,
            )
        try:
            first = stderr.readline()
            # Until its birth is heard of it cannot be signalled, and its pipe has another end here.
            while process.pid is None:
                _server().listen(1.0)
            assert first.startswith("Dashboard ("), first + stderr.read()
            yield first.split()[-1].rstrip("/"), DashboardProcess(process, stderr)
        finally:
            process.terminate()
            process.wait(30)
            process.stdin.close()


def _environment() -> dict[str, str]:
    """Return this process' variables without those of a test and of a person."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TUNER_", "PYTEST_"))}


@cache
def _server() -> ForkServer:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(ForkServer(_environment(), imports=_IMPORTED, changeable=_CHANGEABLE))
