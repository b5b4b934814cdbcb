"""The harness' hold on its workers: start, kill, stop, and see how each ended."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chaos.journal import Entry, read_journal
from tuner.workers.processes import PATIENCE_S

#: Where `chaos` is imported from.
_TESTS = Path(__file__).parents[1]
_NURSERY_S = 180


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a worker works with, and where it leaves its traces."""

    storage: str
    #: Holds `artifacts`, `journal`, `logs` and `dooms`.
    folder: Path
    studies: Sequence[str]
    lease_s: float = 3.0
    epoch_s: float = 1 / 6
    real_keras: bool = False
    until_done: bool = True
    seed: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    clock_offset_s: float = 0.0
    #: No file may grow beyond this, as on a full disk; 0 for no limit.
    file_limit_bytes: int = 0
    #: Folders from which the space is imported.
    import_from: Sequence[str] = ()
    #: For how long it waits for a database that is away.
    patience_s: float = PATIENCE_S

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def journal(self) -> Path:
        return self.folder / "journal"


class Worker:
    """One process of a fleet."""

    def __init__(self, worker_id: str, surroundings: Surroundings) -> None:
        self.id = worker_id
        self.surroundings = surroundings
        self.pid = 0
        #: As of `Popen.returncode`; None while it lives.
        self.status: int | None = None
        self.is_stopped = False
        #: Killed or terminated, and perhaps not dead yet.
        self.is_ending = False

    @property
    def doom_file(self) -> Path:
        return self.surroundings.folder / "dooms" / self.id

    @property
    def entries(self) -> list[Entry]:
        """What it has noted so far."""
        return read_journal(self.surroundings.journal, self.id)

    @property
    def log(self) -> str:
        path = self.surroundings.folder / "logs" / f"{self.id}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process has ended meanwhile."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def die_at(self, point: str) -> None:
        """Let the worker kill itself when it gets to this point."""
        self.doom_file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.doom_file.with_suffix(".partial")
        partial.write_text(point)
        partial.replace(self.doom_file)


class Fleet:
    """Workers forked by one nursery; all die with it, at the latest at the end of the `with` block."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}
        self._buffer = b""

    def start(self, surroundings: Surroundings, *, doom: str | None = None) -> Worker:
        """Start a worker, to die at a named point or not, and return when its process is there."""
        worker = Worker(uuid.uuid4().hex, surroundings)
        self.workers[worker.id] = worker
        if doom is not None:
            worker.die_at(doom)
        order = {
            "worker_id": worker.id,
            "storage": surroundings.storage,
            "artifacts": str(surroundings.artifacts),
            "data_dir": str(surroundings.folder / "data"),
            "home": str(surroundings.folder / "home"),
            "journal": str(surroundings.journal),
            "log": str(surroundings.folder / "logs" / f"{worker.id}.log"),
            "doom": str(worker.doom_file),
            "seed": surroundings.seed + len(self.workers),
            "studies": list(surroundings.studies),
            "lease_s": surroundings.lease_s,
            "epoch_s": surroundings.epoch_s,
            "real_keras": surroundings.real_keras,
            "until_done": surroundings.until_done,
            "environment": dict(surroundings.environment),
            "clock_offset_s": surroundings.clock_offset_s,
            "file_limit_bytes": surroundings.file_limit_bytes,
            "import_from": list(surroundings.import_from),
            "patience_s": surroundings.patience_s,
        }
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        while not worker.pid:
            self.listen(1.0)
        return worker

    def listen(self, timeout_s: float = 0.0) -> None:
        """Take note of births and deaths, waiting for the first one."""
        while select.select([self._stdout], [], [], timeout_s)[0]:
            content = os.read(self._stdout, 65_536)
            if not content:
                raise ChildProcessError("The nursery of the workers ended; its stderr says why.")
            self._buffer += content
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                self._note(json.loads(line))
            timeout_s = 0.0

    def end_all(self) -> None:
        """Kill -9 every worker that still lives."""
        for worker in self.workers.values():
            worker.send(signal.SIGKILL)
        for worker in self.workers.values():
            self.wait(worker, 30)

    def wait(self, worker: Worker, timeout_s: float) -> int:
        """Return the worker's exit status.

        Raises:
            TimeoutError: It lives on.
        """
        deadline = time.monotonic() + timeout_s
        while worker.status is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Worker {worker.id} still lives after {timeout_s:g} s:\n{worker.log}")
            self.listen(0.1)
        return worker.status

    def _note(self, message: dict[str, Any]) -> None:
        if "pid" in message:
            self.workers[message["started"]].pid = message["pid"]
        elif "ended" in message:
            self.workers[message["ended"]].status = message["status"]
        else:
            self._is_ready = True

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.nursery"],
            cwd=_TESTS,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        self._stdout = self._process.stdout.fileno()
        self._is_ready = False
        deadline = time.monotonic() + _NURSERY_S
        while not self._is_ready and time.monotonic() < deadline:
            self.listen(1.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
