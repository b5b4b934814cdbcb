import ctypes
import io
import json
import logging
import os
import subprocess
import sys

import pytest

from tuner.logs import configure_logging, stdout_as_stderr


def test_whatever_a_block_writes_to_stdout_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    c_library = ctypes.CDLL(None)
    sys.stdout.write("before\n")
    c_library.printf(b"before, by C\n")

    with stdout_as_stderr():
        print("by print", flush=True)  # noqa: T201
        os.system("echo by a shell")  # noqa: S605
        subprocess.run([sys.executable, "-c", "print('by a program')"], check=True)
        os.write(1, b"by the descriptor\n")
        with stdout_as_stderr():
            c_library.printf(b"by C\n")
        c_library.printf(b"by C again\n")
    sys.stdout.write("the answer\n")

    captured = capfd.readouterr()
    assert captured.out == "before\nbefore, by C\nthe answer\n"
    assert sorted(captured.err.splitlines()) == [
        "by C", "by C again", "by a program", "by a shell", "by print", "by the descriptor"
    ]  # fmt: skip


def test_stdout_comes_back_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), stdout_as_stderr():
        raise ValueError("no")
    os.write(1, b"here\n")

    assert capfd.readouterr() == ("here\n", "")


def test_a_process_without_stdout_or_stderr_runs_the_block() -> None:
    code = (
        "import os; from tuner.logs import stdout_as_stderr\nwith stdout_as_stderr(): print('x'); os.write(2, b'run ')"
    )

    ended = [
        subprocess.run(["sh", "-c", f'"{sys.executable}" -c "{code}" {redirection}'], capture_output=True, check=True)
        for redirection in (">&-", "2>&1 1>&-")
    ]

    assert [(process.stdout, process.stderr) for process in ended] == [(b"", b"x\nrun "), (b"x\nrun ", b"")]


def test_every_line_of_json_logs_is_an_object_with_the_same_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    root, ours = logging.getLogger(), logging.getLogger("tuner")
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(ours, "handlers", [])
    monkeypatch.setattr(ours, "propagate", ours.propagate)

    for _ in range(2):
        configure_logging(log_format="json", worker="w1")
    logging.getLogger("tuner.x").info("trial %d: %s", 3, "näh\udce9\nsecond line")
    logging.getLogger("other").warning("of another package")
    sys.stderr.write("Metrics: http://…\nhalf a ")
    sys.stderr.write("line\n\n")
    try:
        int("bad")
    except ValueError:
        logging.getLogger("tuner.x").exception("it failed")

    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["message"] for line in lines] == [
        "trial 3: näh\udce9\nsecond line", "of another package", "Metrics: http://…", "half a line", "it failed",
    ]  # fmt: skip
    assert {tuple(line) for line in lines} == {("time", "level", "logger", "message", "worker", "host", "pid", "error")}
    assert {line["worker"] for line in lines} == {"w1"}
    assert [line["level"] for line in lines] == ["info", "warning", "info", "info", "error"]
    assert lines[-1]["error"].splitlines()[-1] == "ValueError: invalid literal for int() with base 10: 'bad'"
