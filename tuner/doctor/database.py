"""The database: whether it answers, how fast, and whether its tables are up to date."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from statistics import median

from tuner.doctor.files import nearest_existing
from tuner.doctor.finding import Finding
from tuner.errors import TunerError

#: A server that accepts bytes and never answers blocks psycopg2 for ever, whatever its timeouts.
_PATIENCE_S = 20.0


def check_database(url: str) -> Finding:
    """Connect, bring the tables up to date and measure how long one statement takes."""
    fix = "export TUNER_STORAGE=postgresql://USER:PASSWORD@HOST/DATABASE"
    try:
        path = _missing_sqlite_file(url)
        if path is not None:
            return _check_new_sqlite(path)
        message = _with_patience(lambda: _measure_database(url))
        return Finding(check="database", ok=True, message=message)
    except (TunerError, ImportError) as error:
        message = str(error)
    except TimeoutError:
        message = f"no answer within {_PATIENCE_S:.0f} s: the server accepts connections and does not answer"
    return Finding(check="database", ok=False, message=message, fix=fix)


def _check_new_sqlite(path: Path) -> Finding:
    folder = nearest_existing(path.absolute())
    if os.access(folder, os.W_OK):
        return Finding(check="database", ok=True, message=f"SQLite, the first study will make {path}")
    message = f"SQLite cannot make {path}: {folder} is not writable"
    return Finding(check="database", ok=False, message=message, fix="export TUNER_STORAGE=sqlite:////a/folder/tuner.db")


def _missing_sqlite_file(url: str) -> Path | None:
    from tuner.studies.database.url import parse_url, sqlite_file

    target = parse_url(url)
    path = sqlite_file(target) if target.get_backend_name() == "sqlite" else None
    return None if path is None or path.exists() else path


def _measure_database(url: str) -> str:
    from tuner.studies.database.schema import SCHEMA_REVISION
    from tuner.studies.database.storage import open_storage
    from tuner.studies.database.url import printable_url

    with open_storage(url) as storage:
        durations_ms = []
        for _ in range(5):
            start = time.perf_counter()
            storage.ping()
            durations_ms.append(1000 * (time.perf_counter() - start))
    return f"{printable_url(url)}, tables of revision {SCHEMA_REVISION}, {median(durations_ms):.1f} ms a statement"


def _with_patience(measure: Callable[[], str]) -> str:
    """Return the result of `measure`, or raise TimeoutError and leave its thread running."""
    outcome: Future[str] = Future()

    def run() -> None:
        try:
            outcome.set_result(measure())
        except Exception as error:  # noqa: BLE001 - raised again in the waiting thread
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result(timeout=_PATIENCE_S)
