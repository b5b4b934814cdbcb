"""Seconds and memory of the commands that show a study of 10,000 trials, 20 epochs each, on SQLite and Postgres.

    PYTHONPATH=tests python bench/large_study.py --quick       1,000 trials
    PYTHONPATH=tests python bench/large_study.py

Each command is a process of its own. `cpu` is its user and system time, which other work on the machine lengthens
less than the wall's; memory is its largest resident set.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.large_studies import store_large_study
from support.postgres import running_server

from tuner.studies.database.storage import open_storage

_COMMANDS = (
    ("study show", "show"),
    ("study show --json", "show", "--json"),
    ("status", "status"),
    ("export .json", "export", "x.json"),
    ("export .csv", "export", "x.csv"),
    ("trial show", "trial"),
    ("report", "report"),
)


def command_line(kind: str, rest: list[str], folder: Path) -> list[str]:
    """Return what is typed after `tuner`."""
    lines = {
        "show": ["study", "show", "large", *rest],
        "status": ["status", *rest],
        "export": ["study", "export", "large", "--to", *(str(folder / name) for name in rest)],
        "trial": ["trial", "show", "large", "17"],
        "report": ["report", "large", "--out", str(folder / "report.html")],
    }
    return lines[kind]


def measure(arguments: list[str], url: str) -> tuple[float, float, int]:
    """Run `tuner` once; return wall seconds, CPU seconds and the largest resident set in MB."""
    environment = os.environ | {"TUNER_STORAGE": url, "TUNER_ARTIFACTS": "/nonexistent"}
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "tuner", *arguments], env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    return wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss // 1000


def report_on(kind: str, url: str, folder: Path, *, trials: int) -> None:
    """Store the study and print a row for each command."""
    with open_storage(url) as storage:
        store_large_study(storage, trials=trials, epochs=20)
    for name, command, *rest in _COMMANDS:
        wall_s, cpu_s, memory_mb = measure(command_line(command, rest, folder), url)
        print(f"{kind:9} {name:18} {wall_s:6.2f} s wall {cpu_s:6.2f} s cpu {memory_mb:5} MB", flush=True)


def main() -> None:
    """Measure on both databases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 trials instead of 10,000")
    trials = 1000 if parser.parse_args().quick else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report_on("SQLite", f"sqlite:///{folder / 'tuner.db'}", folder, trials=trials)
        with running_server() as server:
            report_on("Postgres", server.url(server.create_database()), folder, trials=trials)


if __name__ == "__main__":
    main()
