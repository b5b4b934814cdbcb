"""What docs/running.md says about backups, on the installed command and a real Postgres."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from commands import RunHere, holding, let_go, start_warm
from support.postgres import PostgresServer, find_binaries

from tuner.studies.database.storage import open_storage
from tuner.studies.records.reading import load_study


def call(program: str, server: PostgresServer, database: str, *arguments: str | Path) -> None:
    subprocess.run(
        [find_binaries() / program, "--host=127.0.0.1", f"--port={server.port}", "--username=postgres",
         f"--dbname={database}", *arguments],
        check=True,
        capture_output=True,
    )  # fmt: skip


EPOCHS = 8


def test_a_study_under_way_is_restored_from_dump_and_artifacts_and_ends_with_its_exact_budget(
    run_here: RunHere,
    create_tiny: Callable[..., None],
    folder: Path,
    postgres_server: PostgresServer,
    empty_postgres_url: str,
) -> None:
    database = empty_postgres_url.rsplit("/", 1)[1]
    storage = ("--storage", empty_postgres_url)
    create_tiny("--set", "search.trials=2", "--set", f"search.epochs={EPOCHS}", "--set", "search.pruner=none",
        "--set", "finals.top=0", *holding(folder, training=2), *storage)  # fmt: skip
    workers = start_warm(folder, *storage, "worker")
    with open_storage(empty_postgres_url) as opened:
        while not any(trial.curve for trial in load_study(opened, "tiny").trials if trial.number == 1):
            assert workers.poll() is None
            time.sleep(0.2)
    workers.terminate()
    let_go(folder)
    workers.communicate(timeout=60)
    before = read_trials(run_here, folder, *storage)

    call("pg_dump", postgres_server, database, "--format=custom", f"--file={folder / 'tuner.dump'}")
    shutil.make_archive(str(folder / "artifacts"), "tar", folder / ".tuner" / "artifacts")
    shutil.rmtree(folder / ".tuner")
    restored = postgres_server.create_database()
    storage = ("--storage", postgres_server.url(restored))
    run_here(*storage, "database", "prepare")
    call("pg_restore", postgres_server, restored, "--clean", "--if-exists", folder / "tuner.dump")
    shutil.unpack_archive(folder / "artifacts.tar", folder / ".tuner" / "artifacts")
    after = read_trials(run_here, folder, *storage)
    workers = start_warm(folder, *storage, "worker", "--until-done")
    _, messages = workers.communicate(timeout=240)

    assert workers.returncode == 0, messages
    assert after == before
    assert any(0 < len(scores) < EPOCHS for scores in before.values()), "no trial was under way"
    study = json.loads(run_here(*storage, "study", "show", "tiny", "--json"))
    assert study["state"] == "done"
    assert study["trials"] == {"complete": 2, "pruned": 0, "failed": 0, "running": 0, "waiting": 0}
    finished = read_trials(run_here, folder, *storage)
    assert {number: len(scores) for number, scores in finished.items()} == dict.fromkeys(range(2), EPOCHS)
    for number, scores in before.items():
        assert finished[number][: len(scores)] == scores
    postgres_server.drop_database(restored)


def read_trials(run_here: RunHere, folder: Path, *storage: str) -> dict[int, list[float]]:
    """Return each trial's validation accuracy after each epoch."""
    run_here(*storage, "study", "export", "tiny", "--to", "trials.json")
    rows = json.loads((folder / "trials.json").read_text())
    return {row["number"]: [epoch["val_accuracy"] for epoch in row["curve"]] for row in rows}
