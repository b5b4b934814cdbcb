"""The project's own images and compose file on a real engine; all is taken down at the end, also after a failure."""

import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from compose_stack import Stack
from container_engine import Engine, running_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with running_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def stack(engine: Engine) -> Iterator[Stack]:
    """The built images and nothing running."""
    project = f"tunertest{uuid.uuid4().hex[:8]}"
    stack = Stack(
        engine=engine,
        environment={
            **engine.environment,
            "COMPOSE_PROJECT_NAME": project,
            "DASHBOARD_PORT": str(_free_port()),
            "WORKERS": "2",
            # Stronger than a developer's `.env`.
            "TUNER_TARGET": "cpu",
        },
    )
    begun = time.monotonic()
    stack.compose("build", "workers", timeout_s=1500)
    stack.durations_s["build"] = time.monotonic() - begun
    try:
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "1")
        print({name: round(duration, 1) for name, duration in stack.durations_s.items()})  # noqa: T201 - for people
    assert stack.leftovers() == []


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
