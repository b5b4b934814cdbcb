"""`docker compose up workers`, with everything that dies under it."""

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest
from compose_stack import Stack
from support.s3_server import BUCKET, running_s3_server

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

TRIALS = 12
CREATE = ("study", "create", "studies/digits.toml", "--name", "faulty", "--set", f"search.trials={TRIALS}",
          "--set", "search.epochs=15", "--set", "search.pruner=none", "--set", "finals.candidates=2",
          "--set", "finals.confirm_repeats=1", "--set", "finals.repeats=2", "--set", "finals.epochs=10")  # fmt: skip
#: As little as it can be.
CREATE_SHORT = ("study", "create", "studies/digits.toml", "--name", "stored", "--set", "search.trials=1",
                "--set", "search.epochs=3", "--set", "finals.top=1", "--set", "finals.candidates=1",
                "--set", "finals.confirm_repeats=1", "--set", "finals.repeats=1", "--set", "finals.epochs=1",
                "--set", "finals.compare_augmentation=false")  # fmt: skip
SERVICES = ("workers", "dashboard", "postgres")
SECRETS = ("database/password", "dashboard/password", "dashboard/token")


def wait_until(happened: Callable[[], bool], *, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.5)


def is_training(stack: Stack) -> bool:
    printed = stack.tuner("status", "--json")
    workers = json.loads(printed[printed.index("{") :])["workers"]
    return any(worker["state"] == "training" and worker["epoch"] for worker in workers)


def test_the_image_is_small_and_runs_as_nobody_in_particular(stack: Stack) -> None:
    image = json.loads(stack.engine.docker("image", "inspect", "tuner:cpu"))[0]

    assert image["Size"] < 2.5e9
    assert image["Config"]["User"] == "10001:10001"
    assert "Healthcheck" in image["Config"]


def test_a_study_ends_with_its_exact_budget_whatever_dies(stack: Stack) -> None:
    stack.compose("up", "--detach", "workers")
    stack.compose("run", "--rm", "-T", "tuner", *CREATE)
    wait_until(lambda: is_training(stack) and len(stack.processes("workers", "worker")) == 2, timeout_s=240)

    # A worker process, from the host.
    victim = stack.processes("workers", "worker")[0]
    victim.kill()
    wait_until(lambda: len([p for p in stack.processes("workers", "worker") if p.pid != victim.pid]) == 2, timeout_s=60)

    # Postgres with all its processes at once; the engine starts it again.
    postmaster = psutil.Process(int(stack.inspect("postgres", "{{.State.Pid}}")))
    postmaster.kill()
    gone = {"0", str(postmaster.pid)}
    wait_until(lambda: stack.inspect("postgres", "{{.State.Pid}}") not in gone, timeout_s=30)
    wait_until(lambda: stack.inspect("postgres", "{{.State.Health.Status}}") == "healthy", timeout_s=60)

    # The network, for 6 seconds.
    network = f"{stack.environment['COMPOSE_PROJECT_NAME']}_default"
    workers = stack.container("workers")
    stack.engine.docker("network", "disconnect", network, workers)
    time.sleep(6)
    stack.engine.docker("network", "connect", network, workers)

    # Draining within the grace period, and on from there.
    assert stack.study("faulty")["state"] != "done", "the faults came too late to mean anything"
    begun = time.monotonic()
    stack.compose("stop", "workers")
    stack.durations_s["drain"] = time.monotonic() - begun
    exit_code = stack.inspect("workers", "{{.State.ExitCode}}")
    stack.compose("up", "--detach", "workers")
    wait_until(lambda: stack.study("faulty")["state"] == "done", timeout_s=600)
    study = stack.study("faulty")

    assert stack.durations_s["drain"] < 15
    assert exit_code == "143"
    assert study["trials"] == {"complete": TRIALS, "pruned": 0, "failed": 0, "running": 0, "waiting": 0}
    assert [final["repeats"] for final in study["finals"]] == [2]
    assert study["finals"][0]["test_accuracy_mean"] > 0.9
    assert study["failures"] == []


def ask_dashboard(stack: Stack, path: str, *, method: str = "GET", token: str | None = None, host: str = "") -> int:
    """Return the status of the dashboard's answer."""
    connection = HTTPConnection("127.0.0.1", stack.dashboard_port, timeout=30)
    headers = {
        "Host": host or f"127.0.0.1:{stack.dashboard_port}",
        "Origin": f"http://127.0.0.1:{stack.dashboard_port}",
    }
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    with closing(connection):
        connection.request(method, path, headers=headers)
        return connection.getresponse().status


def test_the_dashboard_answers_those_who_know_the_token_and_changes_nothing(stack: Stack) -> None:
    wait_until(lambda: stack.inspect("dashboard", "{{.State.Health.Status}}") == "healthy", timeout_s=90)
    token = stack.compose("exec", "-T", "dashboard", "cat", "/secrets/dashboard/token").split()[-1]

    assert ask_dashboard(stack, "/login") == 200
    assert ask_dashboard(stack, "/api/studies") == 401
    assert ask_dashboard(stack, "/api/studies", token="a-wrong-token-of-some-length") == 401  # noqa: S106
    assert ask_dashboard(stack, "/api/studies", token=token, host="evil.example") == 403
    for path in ("/", "/api/studies", "/api/studies/1", "/fleet.json", "/report?study=faulty"):
        assert ask_dashboard(stack, path, token=token) == 200, path
    for method in ("DELETE", "PUT", "POST"):
        assert ask_dashboard(stack, "/api/studies/1", method=method, token=token) == 403
    assert stack.study("faulty")["budget"] == TRIALS


def test_the_dashboards_role_can_write_nothing_and_its_container_has_no_other_password(stack: Stack) -> None:
    script = (
        "import psycopg2; c = psycopg2.connect(host='postgres', dbname='tuner', user='dashboard'); c.autocommit = True;"
        "u = c.cursor(); u.execute('SELECT count(*) FROM trials'); assert u.fetchone()[0];"
        "u.execute('SET default_transaction_read_only = off'); u.execute('DELETE FROM trials')"
    )

    refused = stack.compose("exec", "-T", "dashboard", "python", "-c", script, check=False)
    files = stack.compose("exec", "-T", "dashboard", "find", "/secrets", "-type", "f")

    assert "permission denied for table trials" in refused
    assert "/secrets/database/" not in files


def test_containers_may_write_nowhere_and_have_no_rights(stack: Stack) -> None:
    stack.compose("up", "--detach", "workers")
    for service in ("workers", "dashboard", "init", "secrets"):
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
    ports = {service: json.loads(stack.inspect(service, "{{json .NetworkSettings.Ports}}")) for service in SERVICES}
    addresses = {
        (service, address["HostIp"], address["HostPort"])
        for service, bindings in ports.items()
        for published in bindings.values()
        for address in published or []
    }

    assert addresses == {("dashboard", "127.0.0.1", str(stack.dashboard_port))}


def test_the_workers_become_healthy(stack: Stack) -> None:
    wait_until(lambda: stack.inspect("workers", "{{.State.Health.Status}}") != "starting", timeout_s=120)

    assert stack.inspect("workers", "{{.State.Health.Status}}") == "healthy"


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


def test_artifacts_may_lie_in_a_store_of_s3s_kind(stack: Stack, tmp_path: Path) -> None:
    stack.compose("up", "--detach", "workers")
    network = f"{stack.environment['COMPOSE_PROJECT_NAME']}_default"
    gateway = stack.engine.docker("network", "inspect", network, "--format", "{{(index .IPAM.Config 0).Gateway}}")
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
    # The container's user is another one.
    credentials.chmod(0o644)
    with running_s3_server(listen_on="0.0.0.0") as store:  # noqa: S104 - containers come by another address
        settings = {
            "ARTIFACTS": f"s3://{BUCKET}/team",
            "S3_ENDPOINT": f"http://{gateway.strip()}:{store.port}",
            "S3_CREDENTIALS": str(credentials),
        }
        stored = replace(stack, environment={**stack.environment, **settings})
        stored.compose("up", "--detach", "workers")
        stored.compose("run", "--rm", "-T", "tuner", *CREATE_SHORT)
        wait_until(lambda: stored.study("stored")["state"] == "done", timeout_s=240)

        bundle = stored.study("stored")["finals"][0]["bundle"]
        assert f"team/{bundle}" in store.list_files()
        wait_until(lambda: stored.inspect("dashboard", "{{.State.Health.Status}}") == "healthy", timeout_s=90)
        token = stored.compose("exec", "-T", "dashboard", "cat", "/secrets/dashboard/token").split()[-1]
        assert ask_dashboard(stored, "/report?study=stored", token=token) == 200
    stack.compose("up", "--detach", "workers")


def test_a_backup_goes_into_a_new_stack_as_docs_running_says(stack: Stack) -> None:
    before = stack.study("faulty")
    tar = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "tar", "tuner", "-C", "/artifacts")
    stack.compose("stop", "workers")
    dump = stack.compose_bytes(
        "exec", "-T", "postgres", "pg_dump", "--username", "tuner", "--format", "custom", "tuner"
    )
    artifacts = stack.compose_bytes(*tar, "-c", ".")

    stack.compose("down", "--volumes", "--timeout", "5")
    stack.compose("up", "--detach", "init")
    wait_until(lambda: stack.inspect("init", "{{.State.Status}}") == "exited", timeout_s=60)
    restore = ("exec", "-T", "postgres", "pg_restore", "--username", "tuner", "--dbname", "tuner")
    stack.compose_bytes(*restore, "--clean", "--if-exists", given=dump)
    stack.compose_bytes(*tar, "-x", given=artifacts)
    stack.compose("up", "--detach", "workers")

    assert stack.study("faulty") == before
    bundle = f"/artifacts/{before['finals'][0]['bundle']}"
    assert stack.compose("exec", "-T", "workers", "ls", bundle).split() == [bundle]
    wait_until(lambda: stack.inspect("dashboard", "{{.State.Health.Status}}") == "healthy", timeout_s=90)
