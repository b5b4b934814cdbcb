"""What docs/running.md says about backups, on the installed command and a real Postgres."""

import json
import shutil
import subprocess
import time
from pathlib import Path

from commands import Run, start
from postgres import PostgresServer, find_binaries


def call(program: str, server: PostgresServer, database: str, *arguments: str | Path) -> None:
    subprocess.run(
        [find_binaries() / program, "--host=127.0.0.1", f"--port={server.port}", "--username=postgres",
         f"--dbname={database}", *arguments],
        check=True,
        capture_output=True,
    )  # fmt: skip


def test_a_study_under_way_is_restored_from_dump_and_artifacts_and_ends_with_its_exact_budget(
    run: Run, folder: Path, postgres_server: PostgresServer, empty_postgres_url: str
) -> None:
    database = empty_postgres_url.rsplit("/", 1)[1]
    storage = ("--storage", empty_postgres_url)
    run(*storage, "study", "create", "tiny.toml", "--set", "search.trials=6", "--set", "search.epochs=200",
        "--set", "search.pruner=none")  # fmt: skip
    workers = start(folder, *storage, "workers", "-n", "1")
    while not (state := json.loads(run(*storage, "study", "show", "tiny", "--json").stdout))["trials"]["complete"]:
        assert workers.poll() is None
        time.sleep(0.5)
    workers.terminate()
    workers.communicate(timeout=60)
    state = json.loads(run(*storage, "study", "show", "tiny", "--json").stdout)
    trials = run(*storage, "study", "export", "tiny", "--to", "before.json") and (folder / "before.json").read_text()

    call("pg_dump", postgres_server, database, "--format=custom", f"--file={folder / 'tuner.dump'}")
    shutil.make_archive(str(folder / "artifacts"), "tar", folder / ".tuner" / "artifacts")
    shutil.rmtree(folder / ".tuner")
    restored = postgres_server.create_database()
    storage = ("--storage", postgres_server.url(restored))
    run(*storage, "database", "prepare")
    call("pg_restore", postgres_server, restored, "--clean", "--if-exists", folder / "tuner.dump")
    shutil.unpack_archive(folder / "artifacts.tar", folder / ".tuner" / "artifacts")

    assert json.loads(run(*storage, "study", "show", "tiny", "--json").stdout) == state
    run(*storage, "study", "export", "tiny", "--to", "after.json")
    assert (folder / "after.json").read_text() == trials
    run(*storage, "workers", "-n", "1", "--until-done")
    done = json.loads(run(*storage, "study", "show", "tiny", "--json").stdout)
    exported = {row["number"]: row for row in json.loads((folder / "after.json").read_text())}
    run(*storage, "study", "export", "tiny", "--to", "done.json")
    finished = json.loads((folder / "done.json").read_text())
    assert done["state"] == "done"
    assert done["trials"] == {"complete": 6, "pruned": 0, "failed": 0, "running": 0, "waiting": 0}
    assert sorted(row["number"] for row in finished) == list(range(6))
    # What was known when it was saved is still there, and the interrupted trial went on behind it.
    for row in finished:
        before = exported.get(row["number"], {"curve": []})["curve"]
        assert row["curve"][: len(before)] == before
    assert any(0 < len(row["curve"]) < 200 for row in exported.values())
    postgres_server.drop_database(restored)
