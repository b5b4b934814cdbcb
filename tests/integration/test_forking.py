"""Processes that a server forks: real ones, of a module that says what it finds."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tuner.forking.client import ForkServer
from tuner.forking.process import UNKNOWN_STATUS, ForkedProcess

TESTS = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "support.fork_probe"]


def environment(**own: str) -> dict[str, str]:
    """Return this process' environment, with which a server finds the probe."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]), **own}


class Started:
    """A process of the probe."""

    def __init__(self, process: ForkedProcess) -> None:
        self.process = process

    def said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def close(self) -> None:
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()
        assert self.process.stdout is not None
        self.process.stdout.close()


Start = Callable[..., Started]


@contextmanager
def starting(server: ForkServer) -> Iterator[Start]:
    """Yield a function that starts the probe with these words and variables."""
    started: list[Started] = []

    def start(*words: str, cores: tuple[int, ...] = (), changes: Mapping[str, str] = {}) -> Started:
        process = server.start(
            [*COMMAND, *words],
            environment={**server.environment, **changes},
            stdout=subprocess.PIPE,
            stderr=sys.stderr.buffer,
            cores=cores,
        )
        started.append(Started(process))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            one.close()


@pytest.fixture(autouse=True)
def own_interrupt() -> Iterator[None]:
    """Let SIGINT reach what is started here, also where a shell runs the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def server() -> Iterator[ForkServer]:
    with ForkServer(environment(), imports=["numpy"]) as running:
        yield running


@pytest.fixture
def start(server: ForkServer) -> Iterator[Start]:
    with starting(server) as start_probe:
        yield start_probe


def wait_until(is_so: Callable[[], object], server: ForkServer) -> None:
    """Listen to the server until something is so, for at most twenty seconds."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        server.listen(0.05)


def test_a_forked_process_is_like_one_that_was_started_by_itself(server: ForkServer, start: Start) -> None:
    first, second = start("7", cores=(0,), changes={"CUDA_VISIBLE_DEVICES": "GPU-1"}), start()

    found, other = first.said(), second.said()
    assert (first.process.wait(20), second.process.wait(20)) == (7, 0)
    assert found.pop("parent") == server.pid
    assert found.pop("draw") != other["draw"]
    assert found == {
        "arguments": ["7"],
        "shown": " ".join([*COMMAND, "7"]),
        "leads_session": True,
        "n_files": 3,
        "n_threads": 1,
        "cores": [0],
        "device": "GPU-1",
        "secret": None,
        "blas": None,
        "handlers": [True, True],
        "blocked": [],
    }
    assert other["device"] is None


def test_signals_reach_a_process_also_before_it_is_born(start: Start) -> None:
    early, late = start("wait"), start("wait")
    early.process.terminate()
    late.said()
    late.process.send_signal(signal.SIGINT)

    assert early.process.wait(20) == -signal.SIGTERM
    assert late.process.wait(20) == -signal.SIGINT


def test_a_process_that_is_given_up_before_its_birth_does_not_live(server: ForkServer, start: Start) -> None:
    given_up = start("wait")
    given_up.process.kill()
    assert given_up.process.wait(20) == -signal.SIGKILL

    start().process.wait(20)
    assert server.pid
    wait_until(lambda: not psutil.Process(server.pid).children(), server)


def test_standard_input_ends_with_who_asked(start: Start) -> None:
    waiting = start("wait", "3")
    waiting.said()
    assert waiting.process.poll() is None

    waiting.process.stdin.close()

    assert waiting.process.wait(20) == 3


def test_a_killed_server_costs_no_process_and_another_one_takes_its_place(server: ForkServer, start: Start) -> None:
    orphan = start("wait")
    wait_until(lambda: orphan.process.pid, server)
    assert server.pid
    killed = server.pid

    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: server.pid != killed, server)
    next_one = start("5")

    assert next_one.said()["parent"] == server.pid
    assert next_one.process.wait(20) == 5
    assert orphan.process.poll() is None
    orphan.process.stdin.close()
    assert orphan.process.wait(20) == UNKNOWN_STATUS


def test_a_server_that_is_killed_before_it_forks_is_replaced_until_it_is_given_up(
    server: ForkServer, start: Start
) -> None:
    asked = start("5")
    for _ in range(3):
        pid = server.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: server.pid != pid, server)  # type: ignore[misc]

    assert server.pid is None
    assert asked.said()["parent"] == os.getpid()
    assert asked.process.wait(20) == 5


@pytest.mark.parametrize(
    ("imports", "changes", "reason"),
    [
        (["support.fork_probe:run_a_thread"], {}, "2 threads run after the import"),
        (["support.no_such_module"], {}, "ModuleNotFoundError"),
        ([], {"KERAS_BACKEND": "other"}, "it has another KERAS_BACKEND"),
    ],
)
def test_where_a_fork_would_not_be_safe_a_process_starts_afresh_and_the_log_says_why(
    imports: list[str], changes: dict[str, str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "tuner.forking.client")
    with ForkServer(environment(), imports=imports) as server, starting(server) as start:
        asked = start("5", cores=(0,), changes=changes)

        wait_until(lambda: asked.process.pid, server)
        found = asked.said()

        assert asked.process.wait(20) == 5
        assert (found["parent"], found["cores"], found["leads_session"]) == (os.getpid(), [0], True)
    assert reason in caplog.text


def test_a_server_ends_with_who_asked() -> None:
    code = (
        "import os, sys, time\nfrom tuner.forking.client import ForkServer\n"
        "with ForkServer(dict(os.environ), imports=[]) as server:\n"
        "    print(server.pid, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None
        server = psutil.Process(int(asking.stdout.readline()))

        asking.kill()

        server.wait(20)


def test_a_shared_server_outlives_who_has_started_it_and_forks_for_others() -> None:
    own = environment(OF_THIS_TEST=uuid.uuid4().hex)
    code = (
        "import os, subprocess, sys, time\nfrom tuner.forking.client import ForkServer\n"
        "environment, command = dict(os.environ), [sys.executable, '-m', 'support.fork_probe', 'wait']\n"
        "with ForkServer(environment, imports=['numpy'], is_shared=True, changeable={'SECRET'}) as server:\n"
        "    streams = {'stdout': subprocess.PIPE, 'stderr': sys.stderr.buffer}\n"
        "    process = server.start(command, environment=environment, **streams)\n"
        "    print(process.stdout.readline().decode(), flush=True)\n    time.sleep(60)\n"
    )
    first_environment = {**own, "CUDA_VISIBLE_DEVICES": "GPU-1", "SECRET": "first"}
    with subprocess.Popen([sys.executable, "-c", code], env=first_environment, stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None
        first = json.loads(asking.stdout.readline())
        asking.kill()
    server_process = psutil.Process(first["parent"])

    with (
        ForkServer({**own, "SECRET": "next"}, imports=["numpy"], is_shared=True, changeable={"SECRET"}) as server,
        starting(server) as start,
    ):
        following = start("7")
        found = following.said()
        assert following.process.wait(20) == 7
        # What the first one was given is not the next one's, and nothing of it is in the server.
        assert (first["device"], first["secret"]) == ("GPU-1", "first")
        assert (found["device"], found["secret"], found["parent"]) == (None, "next", server_process.pid)
        assert "SECRET" not in server_process.environ()

    # The last one needs no successor.
    server_process.wait(20)


def test_what_has_imported_tensorflow_runs_one_thread_and_each_fork_takes_its_own_number() -> None:
    own = environment(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="2")
    with (
        ForkServer(own, imports=["tuner.training.backend:import_backend"]) as server,
        starting(server) as start,
    ):
        started = [start("tensorflow", changes={"TF_NUM_INTRAOP_THREADS": n, "CUDA_VISIBLE_DEVICES": ""}) for n in "14"]

        one, four = [each.said() for each in started]
        assert (one["parent"], four["parent"]) == (server.pid, server.pid)

    assert (one["n_threads"], four["n_threads"]) == (1, 1)
    assert four["n_threads_of_tensorflow"] - one["n_threads_of_tensorflow"] == 3
