import json
from pathlib import Path

import pytest
from support.running_studies import begin_trial, create_study, end_trial
from typer.testing import CliRunner

from tuner.cli import app
from tuner.studies.database.storage import open_storage


@pytest.fixture(scope="module")
def storage_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("trials")
    url = f"sqlite:///{folder}/tuner.db"
    with open_storage(url) as storage:
        study = create_study(storage, trials=4)
        for score in (0.5, 0.9, 0.7):
            end_trial(storage, begin_trial(storage, study), score=score)
    return url


def listed(storage_url: str, *options: str) -> str:
    result = CliRunner().invoke(app, ["--storage", storage_url, "trial", "list", "s", *options], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_trials_are_listed_by_number_or_with_the_best_first(storage_url: str) -> None:
    in_order = [row.split()[0] for row in listed(storage_url).splitlines() if "complete" in row]
    by_score = [row.split()[0] for row in listed(storage_url, "--sort", "score").splitlines() if "complete" in row]

    assert (in_order, by_score) == (["0", "1", "2"], ["1", "2", "0"])
    assert "90.00 %" in listed(storage_url)


def test_only_the_states_that_are_asked_for_are_listed(storage_url: str) -> None:
    assert json.loads(listed(storage_url, "--state", "failed", "--state", "pruned", "--json")) == []
    assert "No such trials" in listed(storage_url, "--state", "failed")


def test_json_has_trials_as_an_export_has_them_without_curves(storage_url: str) -> None:
    best = json.loads(listed(storage_url, "--sort", "score", "--json"))[0]

    assert (best["number"], best["state"], best["score"]) == (1, "complete", 0.9)
    assert "curve" not in best
