"""Seconds until the dashboard's pages show something, and the server's memory, with a large study on Postgres.

    PYTHONPATH=tests python bench/dashboard.py --quick       1,000 trials
    PYTHONPATH=tests python bench/dashboard.py --out bench/results/dashboard.json

The study has 10,000 trials of 20 epochs and 6 hyperparameters, five of them running. Each page is opened by a fresh
headless Chromium; the first row is of a server that has just started and has read nothing. Memory
is the server process' largest resident set (`VmHWM`).
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, sync_playwright
from support.browsers import launch_browser
from support.dashboard_process import running_dashboard
from support.large_studies import store_large_study
from support.postgres import running_server

from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import Study, insert_study

EPOCHS, RUNNING = 20, 5
_LIMIT_MS = 90_000
#: Signs of life, so that the fleet page draws the curves of what runs.
_WORKERS = """
INSERT INTO tuner_workers (id, host, device, pid, state, slot_id, started_at, last_seen_at)
SELECT 'w' || id, 'box', 'cpu', id, 'training', id, extract(epoch FROM now()), extract(epoch FROM now()) + 600
FROM tuner_slots WHERE state = 'leased'
"""


def fill(storage: Storage, *, trials: int) -> Study:
    """Store a study of so many trials, all but five of them finished, and workers for those."""
    study = store_large_study(storage, trials=trials, epochs=EPOCHS, running=RUNNING)
    with storage.engine.begin() as connection:
        connection.execute(sa.text(_WORKERS))
    with storage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))
    return study


def time_page(browser: Browser, url: str, is_shown: Callable[[Page], object]) -> float:
    """Return the seconds from asking for a page until it shows what one came for."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    started = time.monotonic()
    page.goto(url, wait_until="commit")
    is_shown(page)
    seconds = time.monotonic() - started
    context.close()
    return round(seconds, 2)


def peak_memory_mib(pid: int) -> int:
    """Return the largest resident set that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


def measure(url: str, study: Study, small: Study, browser: Browser, *, n_trials: int) -> list[dict[str, Any]]:
    """Open each page of a server that has just started, then of the same one again."""
    optuna, empty = f"/dashboard/studies/{study.optuna_study_id}", f"/dashboard/studies/{small.optuna_study_id}"
    pages: list[tuple[str, str, Callable[[Page], object]]] = [
        (
            "fleet",
            "/fleet",
            lambda page: page.wait_for_selector(".curve polyline", state="attached", timeout=_LIMIT_MS),
        ),
        # What Optuna Dashboard's own code takes to start, whatever the study.
        ("list of a study without trials", f"{empty}/trials", lambda page: page.get_by_text("0 Trials").wait_for()),
        (
            "trial list",
            f"{optuna}/trials",
            lambda page: page.get_by_text("Trial 0", exact=True).wait_for(timeout=_LIMIT_MS),
        ),
        # The first answer holds the first trials; this is when the page has asked for the others and shows them.
        (
            "trial list, all of them",
            f"{optuna}/trials",
            lambda page: page.get_by_text(f"{n_trials} Trials", exact=True).wait_for(timeout=_LIMIT_MS),
        ),
        # Optuna Dashboard 0.21 has its table below the plots of this page.
        (
            "trial table",
            f"{optuna}/smartSelection",
            lambda page: page.wait_for_selector("tbody tr td", timeout=_LIMIT_MS),
        ),
    ]
    with running_dashboard(url, "/nonexistent") as (address, process):
        rows = [{"page": "server without visitors", "seconds": None, "peak_mib": peak_memory_mib(process.pid)}]
        for turn in ("first", "second", "third"):
            for name, path, is_shown in pages:
                seconds = time_page(browser, address + path, is_shown)
                rows.append({"page": f"{name}, {turn}", "seconds": seconds, "peak_mib": peak_memory_mib(process.pid)})
            started = time.monotonic()
            answer = requests.get(f"{address}/api/studies/{study.optuna_study_id}?after=1", timeout=120)
            rows.append(
                {
                    "page": f"all trials but the first, {turn}",
                    "seconds": round(time.monotonic() - started, 2),
                    "peak_mib": peak_memory_mib(process.pid),
                    "answer_mb": round(len(answer.content) / 1e6, 1),
                }
            )
    return rows


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 trials instead of 10,000")
    parser.add_argument("--out", type=Path, help="write the rows there as JSON")
    arguments = parser.parse_args()
    trials = 1000 if arguments.quick else 10_000
    with running_server() as server, sync_playwright() as playwright:
        url = server.url(server.create_database())
        with open_storage(url) as storage:
            study = fill(storage, trials=trials)
            definition = make_definition(space="mlp", dataset="digits", name="small", trials=1, epochs=EPOCHS)
            small = insert_study(storage, definition, class_names=["0", "1"], provenance={"data_sha256": "0" * 64})
        browser = launch_browser(playwright)
        rows = measure(url, study, small, browser, n_trials=trials)
        browser.close()
    print(f"{trials:,} trials of {EPOCHS} epochs")
    for row in rows:
        print(f"{row['page']:38} {row['seconds'] or '':>7} s  {row['peak_mib']:>5} MiB")
    if arguments.out:
        arguments.out.write_text(json.dumps({"trials": trials, "epochs": EPOCHS, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
