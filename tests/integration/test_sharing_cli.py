"""`tuner study set`, and where the shares of studies are shown."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tuner.cli import app
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import insert_study


@pytest.fixture
def storage(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setenv("TUNER_STORAGE", sqlite_url)
    monkeypatch.setenv("TUNER_HOME", str(tmp_path))
    with open_storage(sqlite_url) as opened:
        for name in ("plain", "urgent"):
            definition = make_definition(space="mlp", dataset="digits", name=name)
            insert_study(opened, definition, class_names=["0", "1"], provenance={"data_sha256": "0" * 64})
        yield opened


def tuner(*words: str) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"})


def as_json(*words: str) -> Any:
    return json.loads(tuner(*words, "--json").stdout)


@pytest.mark.usefixtures("storage")
def test_a_share_is_set_and_shown_wherever_studies_are() -> None:
    done = tuner("study", "set", "urgent", "--priority=5", "--max-workers=4", "--weight=2")

    share = {"priority": 5, "weight": 2.0, "max_workers": 4}
    assert done.stdout == "Study urgent has priority 5, weight 2, at most 4 workers.\n"
    assert "workers: priority 5, weight 2, at most 4 workers" in tuner("study", "show", "urgent").stdout
    assert "[sharing]" in tuner("study", "show", "urgent", "--toml").stdout
    assert "workers" not in tuner("study", "show", "plain").stdout.partition("Its definition")[0]
    for words in (("study", "list"), ("status",)):
        assert tuner(*words).stdout.count("priority 5, weight 2, at most 4 workers") == 1
    shown = as_json("study", "show", "urgent")
    assert {key: shown[key] for key in share} == share
    for studies in (as_json("study", "list"), as_json("status")["studies"]):
        assert [{key: one[key] for key in share} for one in studies][1] == share
        assert (studies[0]["priority"], studies[0]["max_workers"]) == (0, None)

    again = tuner("study", "set", "urgent", "--max-workers", "none")

    assert again.stdout == "Study urgent has priority 5, weight 2, no limit of workers.\n"


@pytest.mark.usefixtures("storage")
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("nope", "--priority=1"), 1, "No study named 'nope'"),
        (("plain",), 2, "Give --priority, --max-workers or --weight."),
        (("plain", "--weight=0"), 1, "tuner study set: weight: received 0.0, expected a number above 0."),
        (("plain", "--weight=nan"), 1, "tuner study set: weight: received NaN, expected a finite number."),
        (("plain", "--priority=9999999999"), 1, "priority: received 9999999999, expected a number of at most 1000000."),
        (("plain", "--max-workers=0"), 2, "Expected none or a number of at least 1."),
        (("plain", "--max-workers=9999999999"), 1, "max_workers: received 9999999999, expected a number of at most"),
    ],
)
def test_a_share_that_is_not_possible_is_refused_in_one_line(words: tuple[str, ...], status: int, message: str) -> None:
    refused = tuner("study", "set", *words)

    assert refused.exit_code == status
    assert message in " ".join((refused.stderr + str(refused.exception or "")).split())
