"""The pool's processes, with small commands in the place of workers."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tuner.forking.client import ForkServer
from tuner.workers import processes as pool_processes
from tuner.workers import worker_logs
from tuner.workers.processes import WorkerProcesses
from tuner.workers.shares import DeviceShare


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_processes, "_TICK_S", 0.05)
    monkeypatch.setattr(pool_processes, "_WAIT_S", 0.05)


@pytest.fixture
def processes(tmp_path: Path) -> Callable[..., WorkerProcesses]:
    def make(ends: str, *, held_slot: bool = False) -> WorkerProcesses:
        """Make a pool of one whose n-th process runs the n-th of these statements, later ones the last."""
        script = (
            "import os, pathlib, signal\n"
            f"starts = pathlib.Path({str(tmp_path / 'starts')!r})\n"
            "starts.write_text(starts.read_text() + '.' if starts.exists() else '.')\n"
            f"ends = {ends!r}.split('; ')\n"
            "exec(ends[min(len(starts.read_text()), len(ends)) - 1])\n"
        )
        return WorkerProcesses(
            command=[sys.executable, "-c", script],
            shares=[DeviceShare(device="cpu", environment={})],
            environment={},
            log_dir=tmp_path / "logs",
            on_death=lambda _worker, _status: held_slot,
        )

    return make


def n_starts(folder: Path) -> int:
    return len((folder / "starts").read_text())


def test_a_worker_killed_again_and_again_is_started_again(
    processes: Callable[..., WorkerProcesses], tmp_path: Path
) -> None:
    kill = "os.kill(os.getpid(), signal.SIGKILL)"

    assert processes(f"{kill}; {kill}; {kill}; {kill}; pass").run(lambda: None) == 0
    assert n_starts(tmp_path) == 5


def test_a_worker_that_fails_at_its_start_is_given_up_after_three_times(
    processes: Callable[..., WorkerProcesses], tmp_path: Path
) -> None:
    assert processes("os._exit(3)").run(lambda: None) == 3
    assert n_starts(tmp_path) == 3


def test_a_worker_that_dies_of_its_slot_is_started_again_whatever_its_status(
    processes: Callable[..., WorkerProcesses], tmp_path: Path
) -> None:
    assert processes("os._exit(1); os._exit(1); os._exit(3); os._exit(3); pass", held_slot=True).run(lambda: None) == 0
    assert n_starts(tmp_path) == 5


def test_an_error_to_act_on_ends_the_worker_for_good(processes: Callable[..., WorkerProcesses], tmp_path: Path) -> None:
    assert processes("os._exit(1)").run(lambda: None) == 1
    assert n_starts(tmp_path) == 1


def test_a_worker_that_wants_a_successor_gets_one_at_once(
    processes: Callable[..., WorkerProcesses], tmp_path: Path
) -> None:
    assert processes("os._exit(75); os._exit(75); os._exit(75); os._exit(75); pass").run(lambda: None) == 0
    assert n_starts(tmp_path) == 5


def test_a_worker_can_be_added_and_retired_and_the_others_decide_the_status(tmp_path: Path) -> None:
    script = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.05)"
    share = DeviceShare(device="cpu", environment={})
    processes = WorkerProcesses(
        command=[sys.executable, "-c", script, str(tmp_path / "end")],
        shares=[share],
        environment={},
        log_dir=tmp_path / "logs",
        on_death=lambda _worker, _status: False,
    )
    seen: list[list[str]] = []

    def tick() -> None:
        seen.append(processes.worker_ids)
        if len(seen) == 1:
            processes.add(share)
        elif len(seen) == 2:
            processes.retire(1)
        elif len(seen) == 5:
            (tmp_path / "end").touch()

    assert processes.run(tick) == 0
    assert [len(ids) for ids in seen[:5]] == [1, 2, 1, 1, 1]
    assert seen[4] == seen[0]


@pytest.fixture
def server() -> Iterator[ForkServer]:
    tests = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}
    with ForkServer(environment, imports=[]) as running:
        yield running


def forked(server: ForkServer, folder: Path, *words: str, died: list[int]) -> WorkerProcesses:
    """Make a pool of one whose processes say what they find in their log, then do as the words say."""

    def note_death(_worker: str, status: int) -> bool:
        died.append(status)
        return False

    return WorkerProcesses(
        command=[sys.executable, "-m", "support.fork_probe", *words],
        shares=[DeviceShare(device="cpu", environment={"CUDA_VISIBLE_DEVICES": ""}, cores=[0])],
        environment=server.environment,
        log_dir=folder / "logs",
        on_death=note_death,
        server=server,
    )


def said_by(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "logs" / "worker-0.log").read_text().splitlines()]


def test_successors_are_forked_and_write_to_the_same_log(server: ForkServer, tmp_path: Path) -> None:
    died: list[int] = []
    pool = forked(server, tmp_path, "75", died=died)

    def tick() -> None:
        if len(died) == 4:
            pool.retire(1)

    assert pool.run(tick) == 0
    said = said_by(tmp_path)
    assert died[:4] == [75] * 4
    assert {(one["parent"], one["leads_session"], *one["cores"]) for one in said[:4]} == {(server.pid, True, 0)}
    assert all("--id" in one["arguments"] for one in said)


def test_an_interrupted_pool_does_not_wait_for_workers_that_are_not_born(tmp_path: Path) -> None:
    died: list[int] = []

    # Its import never ends.
    with ForkServer(dict(os.environ), imports=["signal:pause"]) as server:
        pool = forked(server, tmp_path, "wait", died=died)
        status = pool.run(lambda: os.kill(os.getpid(), signal.SIGINT))

    assert status == 130
    assert not died


def test_a_worker_goes_on_when_what_has_forked_it_is_killed(server: ForkServer, tmp_path: Path) -> None:
    died: list[int] = []
    pool = forked(server, tmp_path, "wait", died=died)
    first, seen = server.pid, set[str]()

    def tick() -> None:
        seen.update(pool.worker_ids)
        if said_by(tmp_path) and server.pid == first and server.pid is not None:
            os.kill(server.pid, signal.SIGKILL)
        elif server.pid != first:
            pool.retire(1)

    assert pool.run(tick) == 0
    assert len(seen) == len(said_by(tmp_path)) == 1
    assert died == [75]


def test_logs_stay_small_while_a_worker_writes_on_and_the_newest_lines_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_logs, "LARGEST_BYTES", 10_000)
    # Ten lines between two looks.
    monkeypatch.setattr(pool_processes, "_TICK_S", 0.2)
    script = (
        "import os, sys, time\n"
        "for number in range(60):\n"
        "    os.write(2, b'%05d ' % number + b'x' * 993 + b'\\n')\n"
        "    time.sleep(0.02)\n"
        "sys.exit(1)"
    )
    pool = WorkerProcesses(
        command=[sys.executable, "-c", script],
        shares=[DeviceShare(device="cpu", environment={})],
        environment={},
        log_dir=tmp_path / "logs",
        on_death=lambda _id, _status: False,
    )

    pool.run(lambda: None)

    sizes = {path.name: path.stat().st_size for path in (tmp_path / "logs").iterdir()}
    # The newest file may have been put aside with the last line.
    logs = [tmp_path / "logs" / name for name in ("worker-0.log", "worker-0.log.1", "worker-0.log.2")]
    newest, older = [text for text in (log.read_text() for log in logs if log.exists()) if text][:2]
    assert set(sizes) <= {"worker-0.log", "worker-0.log.1", "worker-0.log.2", "worker-0.log.3"}
    assert max(sizes.values()) <= 30_000
    assert pool.last_log_line().startswith("00059 ")
    # Of what grew too much between two looks the first part is cut off.
    assert int(newest[:5]) > int(older.splitlines()[-1][:5])


def test_a_large_log_is_put_aside_at_the_start_and_a_few_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_logs, "LARGEST_BYTES", 10)
    path = tmp_path / "worker-0.log"

    for letter in "abcdef":
        path.write_bytes(5 * b"-" + 10 * letter.encode())
        worker_logs.WorkerLog(path).close()

    kept = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert kept == {
        "worker-0.log": "",
        "worker-0.log.1": 10 * "f",
        "worker-0.log.2": 10 * "e",
        "worker-0.log.3": 10 * "d",
    }


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    pool = WorkerProcesses(
        command=[sys.executable],
        shares=[DeviceShare(device="cpu", environment={})],
        environment={},
        log_dir=tmp_path / "home" / "logs",
        on_death=lambda _id, _status: False,
    )

    with pytest.raises(worker_logs.LogsNotWrittenError, match="TUNER_HOME"):
        pool.run(lambda: None)


def test_a_log_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "worker-0.log").mkdir()

    with pytest.raises(worker_logs.LogsNotWrittenError, match="worker-0"):
        worker_logs.WorkerLog(tmp_path / "worker-0.log")
