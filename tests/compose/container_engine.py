"""A container engine for the tests: the one that DOCKER_HOST names, or one of their own that they install and remove.

Where they start their own there is no registry either: Debian's packages stand in for the two base images.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_PACKAGES = {
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "ip": "iproute2",
}
#: Exit status of a run that found no engine, or nothing to build images on: it tested nothing.
NO_ENGINE_STATUS = 77
_START_TIMEOUT_S = 60
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_STAND_INS = Path(__file__).with_name("standins")


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Where commands go."""

    #: `unix://…` of the engine.
    host: str
    #: Compose's variables that name the base images; none for those of the registry.
    images: Mapping[str, str] = field(default_factory=dict)

    def docker(self, *arguments: str, check: bool = True, timeout_s: float = 300) -> str:
        """Run `docker` and return what it printed."""
        return run("docker", *arguments, environment=self.environment, check=check, timeout_s=timeout_s)

    @property
    def environment(self) -> dict[str, str]:
        return {"DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0", **self.images}


def run(
    *command: str | Path, environment: Mapping[str, str] | None = None, check: bool = True, timeout_s: float = 300
) -> str:
    """Run a command and return its output and errors together; a failure shows them."""
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout_s,
    )
    if check and done.returncode:
        pytest.fail(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Yield an engine that can build images; where none can be had, end the run with `NO_ENGINE_STATUS`."""
    if host := os.environ.get("DOCKER_HOST"):
        yield Engine(host=host)
        return
    with ExitStack() as cleanup:
        folder = Path(tempfile.mkdtemp(prefix="tuner-engine-"))
        cleanup.callback(shutil.rmtree, folder)
        try:
            _install()
            cleanup.enter_context(_unchanged_network())
            host = cleanup.enter_context(_running_daemon(folder))
            root = _make_root(folder)
        except (pytest.fail.Exception, subprocess.TimeoutExpired) as failure:
            pytest.exit(f"No engine on this machine: {failure}", returncode=NO_ENGINE_STATUS)
        images = {"PYTHON_IMAGE": "tuner-stand-in/python", "POSTGRES_IMAGE": "tuner-stand-in/postgres"}
        engine = Engine(host=host, images=images)
        _build_stand_ins(engine, root)
        yield engine


def _install() -> None:
    missing = [package for command, package in _PACKAGES.items() if shutil.which(command) is None]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.fail("starting an engine takes root on Debian; name a running one with DOCKER_HOST")
    if missing:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", "-qq", environment=quiet)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, environment=quiet)


@contextmanager
def _unchanged_network() -> Iterator[None]:
    """Undo what the daemon leaves behind when it ends: packet filter rules, its bridge, forwarding."""
    rules = run("iptables-save")
    links = set(Path("/sys/class/net").iterdir())
    forwarding = Path("/proc/sys/net/ipv4/ip_forward")
    before = forwarding.read_text()
    try:
        yield
    finally:
        subprocess.run(["iptables-restore"], input=rules, text=True, check=True)
        for link in set(Path("/sys/class/net").iterdir()) - links:
            run("ip", "link", "delete", link.name, check=False)
        forwarding.write_text(before)


@contextmanager
def _running_daemon(folder: Path) -> Iterator[str]:
    host = f"unix://{folder}/docker.sock"
    command = ["dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec",
               "--pidfile", folder / "dockerd.pid", "--host", host]  # fmt: skip
    with (folder / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _answers(host):
            if daemon.poll() is not None or time.monotonic() > deadline:
                last = (folder / "dockerd.log").read_text().strip().splitlines()[-1:]
                pytest.fail(f"no engine starts on this machine: {' '.join(last)[-300:]}")
            time.sleep(0.2)
        yield host
    finally:
        daemon.terminate()
        daemon.wait(60)


def _answers(host: str) -> bool:
    asked = subprocess.run(["docker", "--host", host, "version"], capture_output=True, check=False)
    return asked.returncode == 0


def _make_root(folder: Path) -> Path:
    """Return an archive of Debian's smallest root file system."""
    run("debootstrap", "--variant=minbase", "bookworm", folder / "root", timeout_s=600)
    run("tar", "-C", folder / "root", "-cf", folder / "root.tar", ".")
    shutil.rmtree(folder / "root")
    return folder / "root.tar"


def _build_stand_ins(engine: Engine, root: Path) -> None:
    engine.docker("import", str(root), "tuner-stand-in/bookworm")
    root.unlink()
    context = root.with_name("base")
    context.mkdir()
    # pip inside a build trusts what this machine trusts, and asks the index that it asks.
    shutil.copy(_CERTIFICATES, context / "host.crt")
    index = run("python3", "-m", "pip", "config", "get", "global.index-url", check=False).strip()
    (context / "pip.conf").write_text(f"[global]\nindex-url = {index}\n" if index.startswith("http") else "")
    shutil.copy(_STAND_INS / "base.Dockerfile", context / "Dockerfile")
    engine.docker("build", "--quiet", "--tag", "tuner-stand-in/base", str(context))
    for name in ("python", "postgres"):
        file = str(_STAND_INS / f"{name}.Dockerfile")
        engine.docker("build", "--quiet", "--tag", f"tuner-stand-in/{name}", "--file", file, str(_STAND_INS))
