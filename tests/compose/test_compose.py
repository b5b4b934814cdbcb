"""`docker compose up workers`, with everything that dies under it."""

import json
import subprocess
import time
from collections.abc import Callable

import psutil
import pytest
from compose_stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

TRIALS = 8
CREATE = ("study", "create", "studies/digits.toml", "--name", "faulty", "--set", f"search.trials={TRIALS}",
          "--set", "search.epochs=12", "--set", "search.pruner=none", "--set", "finals.candidates=2",
          "--set", "finals.confirm_repeats=1", "--set", "finals.repeats=2", "--set", "finals.epochs=10")  # fmt: skip
SECRETS = ("database/password", "dashboard/password", "dashboard/token")


def wait_until(happened: Callable[[], bool], *, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.5)


def finished(stack: Stack) -> int:
    return sum(stack.study("faulty")["trials"][state] for state in ("complete", "pruned", "failed"))


def is_training(stack: Stack, n_workers: int) -> bool:
    printed = stack.tuner("status", "--json")
    workers = json.loads(printed[printed.index("{") :])["workers"]
    return sum(worker["state"] == "training" and (worker["epoch"] or 0) > 0 for worker in workers) >= n_workers


def test_the_image_is_small_and_runs_as_nobody_in_particular(stack: Stack) -> None:
    image = json.loads(stack.engine.docker("image", "inspect", "tuner:cpu"))[0]

    assert image["Size"] < 2.5e9
    assert image["Config"]["User"] == "10001:10001"
    assert "Healthcheck" in image["Config"]


def test_a_study_ends_with_its_exact_budget_whatever_dies(stack: Stack) -> None:
    stack.compose("up", "--detach", "workers")
    stack.compose("run", "--rm", "-T", "tuner", *CREATE)
    wait_until(lambda: is_training(stack, 2), timeout_s=90)

    # A worker process, from the host.
    victim = stack.processes("workers", "worker")[0]
    victim.kill()
    wait_until(lambda: len([p for p in stack.processes("workers", "worker") if p.pid != victim.pid]) == 2, timeout_s=30)

    # Postgres with all its processes at once; the engine starts it again.
    postmaster = psutil.Process(int(stack.inspect("postgres", "{{.State.Pid}}")))
    postmaster.kill()
    wait_until(
        lambda: (
            stack.inspect("postgres", "{{.State.Health.Status}} {{.State.Pid}}").split()
            not in (["healthy", str(postmaster.pid)], ["unhealthy", str(postmaster.pid)])
            and stack.inspect("postgres", "{{.State.Health.Status}}") == "healthy"
        ),
        timeout_s=60,
    )

    # The network, for 6 seconds.
    network = f"{stack.environment['COMPOSE_PROJECT_NAME']}_default"
    workers = stack.container("workers")
    stack.engine.docker("network", "disconnect", network, workers)
    time.sleep(6)
    stack.engine.docker("network", "connect", network, workers)
    wait_until(lambda: is_training(stack, 1), timeout_s=90)

    # Draining within the grace period, and on from there.
    before = finished(stack)
    begun = time.monotonic()
    stack.compose("stop", "workers")
    stack.durations_s["drain"] = time.monotonic() - begun
    exit_code = stack.inspect("workers", "{{.State.ExitCode}}")
    stack.compose("up", "--detach", "workers")
    wait_until(lambda: stack.study("faulty")["state"] == "done", timeout_s=600)
    study = stack.study("faulty")

    assert before < TRIALS, "the faults came too late to mean anything"
    assert stack.durations_s["drain"] < 15
    assert exit_code == "143"
    assert study["trials"] == {"complete": TRIALS, "pruned": 0, "failed": 0, "running": 0, "waiting": 0}
    assert [final["repeats"] for final in study["finals"]] == [2]
    assert study["finals"][0]["test_accuracy_mean"] > 0.9
    assert study["failures"] == []


def test_containers_may_write_nowhere_and_have_no_rights(stack: Stack) -> None:
    stack.compose("up", "--detach", "workers")
    for service in ("workers", "init", "secrets"):
        config = json.loads(stack.inspect(service, "{{json .HostConfig}}"))
        assert config["ReadonlyRootfs"], service
        assert config["CapDrop"] == ["ALL"], service
        assert "no-new-privileges:true" in config["SecurityOpt"], service
        assert config["Memory"] > 0, service
        assert config["PidsLimit"] > 0, service
    status = stack.compose("exec", "-T", "workers", "cat", "/proc/self/status")

    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_nothing_but_the_dashboard_is_published_and_that_on_loopback_alone(stack: Stack) -> None:
    published = stack.engine.docker("ps", "--format", "{{.Ports}}")

    assert "0.0.0.0:" not in published
    assert ":::" not in published
    for service in ("postgres", "workers"):
        assert json.loads(stack.inspect(service, "{{json .HostConfig.PortBindings}}")) in ({}, None)


def test_the_workers_become_healthy(stack: Stack) -> None:
    wait_until(lambda: stack.inspect("workers", "{{.State.Health.Status}}") == "healthy", timeout_s=120)


def test_passwords_and_token_are_nowhere_but_in_their_volumes(stack: Stack) -> None:
    read = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "cat", "secrets")
    secrets = [stack.compose(*read, f"/secrets/{name}").split()[-1] for name in SECRETS]
    containers = stack.containers()
    seen = {
        "inspect": stack.engine.docker("inspect", *containers),
        "logs": "".join(stack.engine.docker("logs", container) for container in containers),
        "ps": subprocess.check_output(["ps", "-eo", "args"], text=True),
        "history": stack.engine.docker("history", "--no-trunc", "tuner:cpu"),
        "configuration": stack.compose("config"),
    }

    assert all(len(secret) > 30 for secret in secrets)
    assert len(set(secrets)) == len(SECRETS)
    for place, text in seen.items():
        assert text
        assert not [secret for secret in secrets if secret in text], place


def test_workers_can_be_scaled_and_starting_again_changes_no_password(stack: Stack) -> None:
    read = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "cat", "secrets", "/secrets/database/pgpass")
    before = stack.compose(*read).split()[-1]

    stack.compose("up", "--detach", "--scale", "workers=2", "workers")

    assert len(stack.compose("ps", "--quiet", "workers").split()) == 2
    assert stack.compose(*read).split()[-1] == before
    stack.compose("up", "--detach", "--scale", "workers=1", "workers")
