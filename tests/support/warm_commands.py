"""`tuner`'s commands in processes of their own, forked by one that has imported everything: seconds less than a start.

The server is `python -m support.warm_commands`: orders come as JSON lines on its stdin, births and deaths go to its
stdout. It ends with its stdin, and the commands with it. Only the interpreter's own start is not the user's; what forks
a pool's workers is itself a fork of the command.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

_TICK_S = 0.02
_TESTS = Path(__file__).parents[1]


class WarmCommand:
    """A command that was started, with those of `subprocess.Popen`'s methods that tests use."""

    def __init__(self, server: "CommandServer", pid: int, answers: Path) -> None:
        self.pid = pid
        #: As `subprocess.Popen` has it: None while it lives, negative if a signal ended it.
        self.returncode: int | None = None
        self._server, self._answers = server, answers

    def poll(self) -> int | None:
        """Return its status, None while it lives."""
        self._server.listen()
        return self.returncode

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for its end and return what it wrote on standard output and standard error.

        Raises:
            TimeoutError: It lives on.
        """
        deadline = time.monotonic() + timeout
        while self.returncode is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"It still lives after {timeout:g} s:\n{(self._answers / 'stderr').read_text()}")
            self._server.listen(0.1)
        return (self._answers / "stdout").read_text(), (self._answers / "stderr").read_text()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class CommandServer:
    """Starts commands; those that still live end with it.

    Args:
        environment: The server's; a command has its own beside what the backend read at its import.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._commands: dict[int, WarmCommand] = {}
        self._buffer = b""
        #: The one that was ordered last, once it is born; and where its answers go.
        self._born: WarmCommand | None = None
        self._answers = Path()
        self._folder = tempfile.TemporaryDirectory(prefix="tuner-commands-")
        self._process = subprocess.Popen(
            # With room for the arguments of the workers that a pool forks, where `ps` looks for them.
            [sys.executable, "-m", "support.warm_commands", "-" * 1000],
            cwd=_TESTS,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def start(
        self, folder: Path, arguments: Sequence[str], environment: Mapping[str, str], *, script: Path | None = None
    ) -> WarmCommand:
        """Start `tuner`, or a Python script, with these arguments in a folder, with this environment alone."""
        assert self._process.stdin
        self._answers = Path(tempfile.mkdtemp(dir=self._folder.name))
        order = {"folder": str(folder), "arguments": list(arguments), "environment": dict(environment)}
        order["script"] = None if script is None else str(script)
        self._process.stdin.write(json.dumps(order | {"answers": str(self._answers)}).encode() + b"\n")
        self._process.stdin.flush()
        self._born = None
        while self._born is None:
            self.listen(1.0)
        return self._born

    def listen(self, timeout_s: float = 0.0) -> None:
        """Take note of births and deaths, waiting for the first one."""
        assert self._process.stdout
        while select.select([self._process.stdout], [], [], timeout_s)[0]:
            content = os.read(self._process.stdout.fileno(), 65_536)
            if not content:
                raise ChildProcessError("The server of commands ended; its stderr says why.")
            *lines, self._buffer = (self._buffer + content).split(b"\n")
            for message in map(json.loads, lines):
                if "status" in message:
                    self._commands[message["pid"]].returncode = message["status"]
                else:
                    # Here, as the news of its end may come along.
                    self._born = WarmCommand(self, message["pid"], self._answers)
                    self._commands[message["pid"]] = self._born
            timeout_s = 0.0

    def close(self) -> None:
        """End the server and the commands."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()


def main() -> None:
    """Serve until stdin ends."""
    from tuner.training.backend import load_backend

    load_backend()
    # What commands import, each of them late.
    import optuna_dashboard  # noqa: F401

    import tuner.cli
    import tuner.workers.loop  # noqa: F401

    # A collection in a command would copy every page of it.
    gc.collect()
    gc.freeze()
    # Python has put the folder of this module's package first.
    sys.path.pop(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    alive: set[int] = set()
    while True:
        if select.select([sys.stdin], [], [], _TICK_S)[0]:
            line = sys.stdin.readline()
            if not line:
                break
            pid = os.fork()
            if pid == 0:
                _become_command(json.loads(line))
            alive.add(pid)
            _say(pid=pid)
        while alive:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            alive.remove(pid)
            _say(pid=pid, status=os.waitstatus_to_exitcode(status))
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


def _say(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class _Fork:
    """A process forked from this one, with those of `subprocess.Popen`'s methods that a `ForkServer` calls."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


def _start_process(
    command: Sequence[str], *, env: Mapping[str, str], pass_fds: Sequence[int] = (), **others: Any
) -> Any:
    """Fork what a `ForkServer` would start afresh, as this process has imported what that would import."""
    from tuner.forking import server

    if command[2] != server.__name__:
        return subprocess.Popen(command, env=env, **others)
    pid = os.fork()
    if pid == 0:
        _become_fork_server(command[2:], env, pass_fds)
    return _Fork(pid)


def _become_fork_server(arguments: Sequence[str], environment: Mapping[str, str], kept: Sequence[int]) -> NoReturn:
    from tuner.forking import server

    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    kept = [*range(3), *sorted(kept)]
    for one, next_one in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(one + 1, next_one)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(arguments)
    _run_to_the_end(server.main)


def _become_command(order: dict[str, Any]) -> NoReturn:
    from tuner.cli import main as run
    from tuner.forking import client

    client.subprocess = SimpleNamespace(**vars(subprocess) | {"Popen": _start_process})  # type: ignore[attr-defined]
    # What the server does at its exit is not the command's.
    atexit._clear()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sources = [os.open("/dev/null", os.O_RDONLY)]
    sources += [os.open(f"{order['answers']}/{name}", os.O_WRONLY | os.O_CREAT, 0o600) for name in ("stdout", "stderr")]
    for number, source in enumerate(sources):
        os.dup2(source, number)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = [order["script"] or "tuner", *order["arguments"]]
    _run_to_the_end(run if order["script"] is None else lambda: runpy.run_path(order["script"], run_name="__main__"))


def _run_to_the_end(run: Callable[[], object]) -> NoReturn:
    """Run what this process is for, and end it with its status."""
    status = 70
    try:
        run()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
        status = 1
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        # Not by returning, which would be to the server's loop.
        os._exit(status)


if __name__ == "__main__":
    main()
