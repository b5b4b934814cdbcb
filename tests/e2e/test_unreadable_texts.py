"""Texts that a terminal cannot show: a study's failure holds the bytes of a file name that are no UTF-8."""

import json
from pathlib import Path

import pytest
from commands import start_warm
from sqlalchemy import update
from support.running_studies import begin_trial, create_study

from tuner.studies.database.schema import slots
from tuner.studies.database.storage import open_storage


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database in which an earlier version has stored such a failure."""
    url = f"sqlite:///{tmp_path / 'tuner.db'}"
    with open_storage(url) as storage:
        begun = begin_trial(storage, create_study(storage))
        outcome = {
            "state": "failed", "score": None, "best_epoch": None, "hyperparameters": {"name": "caf\udce9"},
            "failure": {"kind": "builder_error", "message": "no file caf\udce9", "traceback": "caf\udce9"},
        }  # fmt: skip
        with storage.engine.begin() as connection:
            ended = update(slots).where(slots.c.id == begun.lease.slot_id)
            connection.execute(ended.values(outcome=outcome, result="failed", state="done", expires_at=None))
    return url


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("trial", "show", "s", "0"), r"no file caf\udce9"),
        (("study", "show", "s"), r"no file caf\udce9"),
        (("study", "show", "s", "--json"), r"no file caf\udce9"),
        (("study", "export", "s", "--to", "x.csv"), "Wrote 6 trials"),
        (("study", "export", "s", "--to", "x.json"), "Wrote 6 trials"),
        (("study", "show", "caf\udce9"), ""),
    ],
)
def test_every_command_shows_what_it_can(tmp_path: Path, url: str, command: tuple[str, ...], shown: str) -> None:
    process = start_warm(tmp_path, *command, settings={"TUNER_STORAGE": url, "LC_ALL": "C.UTF-8"})

    output, errors = process.communicate(timeout=60)

    assert "Traceback" not in errors
    assert (process.returncode == 0) == bool(shown)
    assert shown in output
    if "x.json" in command:
        assert json.loads((tmp_path / "x.json").read_text())[0]["hyperparameters"] == {"name": "caf\udce9"}
