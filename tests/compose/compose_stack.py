"""One compose project of ours on an engine, and what tests ask of it."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from container_engine import Engine, run

_FILE = Path(__file__).parents[2] / "docker-compose.yml"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One compose project."""

    engine: Engine
    environment: dict[str, str]
    #: What was measured, in seconds, for people.
    durations_s: dict[str, float] = field(default_factory=dict)

    def compose(self, *arguments: str, check: bool = True, timeout_s: float = 300) -> str:
        """Run `docker-compose` on the project's file."""
        return run("docker-compose", "--file", _FILE, *arguments,
                   environment=self.environment, check=check, timeout_s=timeout_s)  # fmt: skip

    def compose_bytes(self, *arguments: str, given: bytes = b"") -> bytes:
        """Run `docker-compose` with this standard input, and return its standard output, which may be no text."""
        done = subprocess.run(
            ["docker-compose", "--file", _FILE, *arguments],
            env={**os.environ, **self.environment},
            input=given,
            capture_output=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
        return done.stdout

    def tuner(self, *arguments: str) -> str:
        """Run a command of tuner's in the container of the workers."""
        return self.compose("exec", "-T", "workers", "tuner", *arguments)

    def study(self, name: str) -> dict[str, Any]:
        """Return what `tuner study show --json` prints."""
        shown = self.tuner("study", "show", name, "--json")
        return dict(json.loads(shown[shown.index("{") :]))

    def container(self, service: str) -> str:
        """Return the id of the service's one container."""
        return self.compose("ps", "--quiet", service).strip().splitlines()[-1]

    def inspect(self, service: str, template: str) -> str:
        """Return what `docker inspect` says of the service's container."""
        return self.engine.docker("inspect", "--format", template, self.container(service)).strip()

    def processes(self, service: str, argument: str) -> list[psutil.Process]:
        """Return the processes of the service's container, as the host sees them, that were given this argument."""
        main = psutil.Process(int(self.inspect(service, "{{.State.Pid}}")))
        return [process for process in [main, *main.children(recursive=True)] if argument in _command_line(process)]

    def containers(self) -> list[str]:
        """Return the ids of all containers of the project, running or not."""
        return self.engine.docker("ps", "-aq", "--filter", self._label).split()

    def leftovers(self) -> list[str]:
        """Return the ids of all containers, networks and volumes of the project."""
        networks = self.engine.docker("network", "ls", "-q", "--filter", self._label).split()
        volumes = self.engine.docker("volume", "ls", "-q", "--filter", self._label).split()
        return [*self.containers(), *networks, *volumes]

    @property
    def _label(self) -> str:
        return f"label=com.docker.compose.project={self.environment['COMPOSE_PROJECT_NAME']}"

    @property
    def dashboard_port(self) -> int:
        return int(self.environment["DASHBOARD_PORT"])


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        # It has ended since it was found, or nobody has fetched its status yet.
        return []
