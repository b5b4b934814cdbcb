"""The process of a preflight, seen from its parent: start it early, send it a request, watch it, end it.

It computes on the CPU even if there are GPUs: workers may be using the GPUs, and a few images need none.
"""

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tuner.backends import BACKENDS
from tuner.forking.client import ForkServer
from tuner.forking.process import ForkedProcess
from tuner.jobs.preflight.report import PreflightError, StageReport
from tuner.plain_values import JSONObject
from tuner.spaces.own_code import is_own_file
from tuner.training.backend import preferred_backend
from tuner.training.gpus import list_gpus

#: Seconds that each stage may take, and the start before the first one.
LIMIT_S = 120.0
#: Seconds that a process has to write its stack, or to end by itself.
_GRACE_S = 1.0
#: Seconds between two looks at a process that writes nothing.
_LOOK_S = 0.5
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>.+)$', re.MULTILINE)


@contextmanager
def writable_folder() -> Iterator[None]:
    """Translate a failure to write to the temporary folder into one line.

    Raises:
        PreflightError: The block could not write to that folder.
    """
    try:
        yield
    except OSError as error:
        raise PreflightError(
            f"The check needs some megabytes in the temporary folder: {error.strerror or error}. Free some space "
            "there, name another folder with TMPDIR, or skip the check with --no-check."
        ) from error


class PreflightProcess:
    """The process as a context manager, which on closing ends the process and removes its files.

    The process needs seconds to import Keras. If it is started early, its parent reads the definition and the images
    meanwhile.

    Args:
        stage_limit_s: Seconds that each stage may take.
        server: Forks the process, where there is no GPU; without one it is started afresh.
        measures_later: The reports end when the study can be stored, and `measure_time` returns what is measured then.

    Raises:
        PreflightError: The temporary folder is not writable.
    """

    def __init__(
        self, *, stage_limit_s: float = LIMIT_S, server: ForkServer | None = None, measures_later: bool = False
    ) -> None:
        self.folder = Path()
        #: After all stages have passed: `first_jobs`, see `Rehearsal`, `space_sha256`, see `Space`, and
        #: `measured_time`, see `MeasuredTime`.
        self.findings: JSONObject = {}
        self._stage_limit_s = stage_limit_s
        self._server, self._measures_later = server, measures_later
        #: Whether `measure_time` has something to wait for.
        self.is_measuring = False
        self._unfinished = b""
        self._begin("starting", limit_s=LIMIT_S)

    def __enter__(self) -> Self:
        with writable_folder():
            self._start()
        return self

    def _start(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="tuner-preflight-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self._stderr = self.folder / "stderr"
        command = [sys.executable, "-m", "tuner.jobs.preflight.child"]
        self._process: subprocess.Popen[bytes] | ForkedProcess
        # It has a process group of its own, so that processes started by the user's code end with it.
        with self._stderr.open("wb") as stderr:
            if self._server is not None and not list_gpus():
                environment = {**self._server.environment, **_one_thread()}
                self._process = self._server.start(
                    command, environment=environment, stdout=subprocess.PIPE, stderr=stderr
                )
            else:
                self._process = subprocess.Popen(  # noqa: S603 - our own command
                    command,
                    env=_environment(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    start_new_session=True,
                )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            # Data for a process that has died may still be in the buffer.
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr] # both are pipes
        self._temporary.cleanup()

    def kill(self) -> None:
        """End the process and those that it has started; nobody can read more of it."""
        # One that is only being forked has no group yet.
        self._process.kill()
        if self._process.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def send(self, request: JSONObject) -> None:
        """Send the request and start the time limit."""
        self._begin("starting", limit_s=LIMIT_S)
        assert self._process.stdin is not None  # noqa: S101 - for mypy
        # `reports` reports a process that has died.
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({**request, "folder": str(self.folder)}).encode() + b"\n")
            self._process.stdin.flush()

    def reports(self) -> Iterator[StageReport]:
        """Yield the report of each stage as it ends; stop after a problem, such as the death of the process."""
        while (line := self._read_line()) is not None:
            event = json.loads(line)
            if "begun" in event:
                self._begin(event["begun"], limit_s=self._stage_limit_s)
            elif "ended" in event:
                report = StageReport(**event["ended"] | {"warnings": tuple(event["ended"]["warnings"])})
                yield report
                if report.problem is not None:
                    return
            else:
                self.findings, self.is_measuring = event["found"], self._measures_later and not event["is_last"]
                if event["is_last"] or self._measures_later:
                    return
        end, duration_s = self._describe_end(), time.monotonic() - self._began
        if self.findings:
            # Only the measurement of the time is missing, which no study needs.
            yield StageReport(stage=self._stage, duration_s=duration_s, warnings=(end,))
        else:
            yield StageReport(stage=self._stage, duration_s=duration_s, problem=end)

    def measure_time(self) -> str | None:
        """Wait for the measurement of the time and return it; None if there is none. Another thread may call this."""
        while self.is_measuring and (line := self._read_line()) is not None:
            event = json.loads(line)
            if "found" in event:
                self.findings, self.is_measuring = event["found"], False
        measured: str | None = self.findings.get("measured_time")
        return measured

    def _begin(self, stage: str, *, limit_s: float) -> None:
        self._stage, self._began = stage, time.monotonic()
        self._limit_s = limit_s

    def _read_line(self) -> bytes | None:
        """Return the next line that the process writes; None when the process has ended or its time is over."""
        assert self._process.stdout is not None  # noqa: S101 - for mypy
        stream = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while b"\n" not in self._unfinished:
                left_s = self._began + self._limit_s - time.monotonic()
                if not selector.select(max(min(left_s, _LOOK_S), 0)):
                    if left_s <= 0:
                        return None
                    # Until the birth of a forked one is heard of, its output does not end with it.
                    self._process.poll()
                    continue
                received = os.read(stream, 65536)
                if not received:
                    return None
                self._unfinished += received
        line, _, self._unfinished = self._unfinished.partition(b"\n")
        return line

    def _describe_end(self) -> str:
        """Return one line on how the process ended, or that its time is over."""
        try:
            status = self._process.wait(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGUSR1)
            time.sleep(_GRACE_S)
            return f"not over after {self._limit_s:.0f} s{self._place()}. Expected a few seconds."
        said = self._last_line()
        if status < 0:
            name = signal.Signals(-status).name
            cause = ", most likely because the memory was full" if -status == signal.SIGKILL else ""
            return f"the process was killed by signal {-status} ({name}){cause}{self._place()}{said}"
        return f"the process ended with status {status} in the middle{said}"

    def _place(self) -> str:
        """Return where in the user's code the process was, according to the output of `faulthandler`."""
        own = next((frame for frame in _FRAME.finditer(self._written()) if is_own_file(frame["file"])), None)
        return f" at {Path(own['file']).name}:{own['line']} in {own['function']}" if own else ""

    def _last_line(self) -> str:
        """Return the last line that the process wrote before the output of `faulthandler`."""
        lines = self._written().partition("Fatal Python error")[0].strip().splitlines()
        return f"; its last line of output: {lines[-1].strip()}" if lines else ""

    def _written(self) -> str:
        return self._stderr.read_text(errors="replace")


def _environment() -> dict[str, str]:
    backend = os.environ.get("KERAS_BACKEND") or preferred_backend(on_gpu=bool(list_gpus()))
    own = {"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **_one_thread(), **own}


def _one_thread() -> dict[str, str]:
    """Return what gives the process one thread: a worker has one core, and so has what is measured for it."""
    return {name: value for each in BACKENDS for name, value in each.cpu_environment(1).items()}
