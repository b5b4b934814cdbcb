import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import TINY, Run, RunHere, artifacts_of, start
from PIL import Image
from sklearn.datasets import load_digits


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `tuner run tiny.toml` has just finished."""
    folder = tmp_path_factory.mktemp("done")
    (folder / "tiny.toml").write_text(TINY)
    # The check runs in README's example.
    process = start(folder, "run", "tiny.toml", "--workers", "2", "--no-check")
    stdout, stderr = process.communicate(timeout=280)
    assert process.returncode == 0, stderr
    (folder / "stdout").write_text(stdout)
    (folder / "stderr").write_text(stderr)
    return folder


@pytest.fixture
def folder(done: Path) -> Path:
    return done


def test_the_last_line_names_the_report(folder: Path) -> None:
    report = Path((folder / "stdout").read_text().splitlines()[-1])

    assert (folder / report).read_text().startswith("<!DOCTYPE html>")


def test_progress_is_a_line_a_trial_where_there_is_no_terminal(folder: Path) -> None:
    lines = [line for line in (folder / "stderr").read_text().splitlines() if line.startswith("tiny: trial")]

    assert len(lines) == 4


def test_the_study_is_done_with_exactly_its_budget(run_here: RunHere) -> None:
    shown = json.loads(run_here("study", "show", "tiny", "--json"))

    assert shown["state"] == "done"
    assert shown["trials"]["complete"] + shown["trials"]["pruned"] == shown["budget"] == 4
    assert [final["rank"] for final in shown["finals"]] == [1, 2]
    assert all(final["repeats"] == 2 for final in shown["finals"])
    assert shown["ensemble"]["members"] == 4
    assert 0 <= shown["ensemble"]["test_accuracy"] <= 1


def test_running_it_again_trains_nothing_and_writes_the_report_again(run: Run) -> None:
    again = run("run", "tiny.toml", "--workers", "1")

    assert "trial" not in again.stderr
    assert again.stdout.splitlines()[-1].endswith("report.html")


def test_a_trial_replays_to_the_same_curve(run: Run) -> None:
    assert "The curve is the same." in run("trial", "replay", "tiny", "0").stderr


def test_a_trial_is_exported_with_its_curve(run_here: RunHere, folder: Path) -> None:
    run_here("study", "export", "tiny", "--to", "trials.json")
    run_here("study", "export", "tiny", "--to", "trials.csv")

    trials = json.loads((folder / "trials.json").read_text())
    assert [trial["number"] for trial in trials] == [0, 1, 2, 3]
    assert [epoch["epoch"] for epoch in trials[0]["curve"]] == list(range(1, len(trials[0]["curve"]) + 1))
    assert trials[0]["started_at"].endswith(("Z", "+00:00"))
    assert len((folder / "trials.csv").read_text().splitlines()) == 5


def test_a_bundle_classifies_a_picture_of_paper(run: Run, run_here: RunHere, folder: Path) -> None:
    digits = load_digits()
    paper = 255 - (digits.images[0] * 255 / 16).astype(np.uint8)
    Image.fromarray(paper).resize((160, 160), Image.Resampling.NEAREST).save(folder / "zero.png")
    bundle = json.loads(run_here("study", "show", "tiny", "--json"))["finals"][0]["bundle"]

    (answer,) = json.loads(run("predict", bundle, "zero.png", "--json").stdout)

    assert set(answer) == {"file", "class", "probability", "probabilities"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_the_winner_stands_beside_the_best_of_the_search(run_here: RunHere, folder: Path) -> None:
    shown = json.loads(run_here("study", "show", "tiny", "--json"))
    printed = run_here("study", "show", "tiny")

    winner = shown["winner"]
    assert winner == shown["finals"][0]
    assert Path(winner["bundle_location"]) == folder / ".tuner/artifacts" / winner["bundle"]
    assert f"Best of the search: trial {shown['best']['number']}, validation accuracy" in printed
    assert f"Winner: rank 1, trial {winner['trial']}, test accuracy" in printed
    assert "Best:" not in printed


def test_a_second_start_of_the_workers_ends_with_the_result_and_the_next_command(run: Run, folder: Path) -> None:
    logs = sorted((folder / ".tuner/logs").iterdir())

    ended = run("workers", "tiny", "--until-done", "-n", "1")

    assert sorted((folder / ".tuner/logs").iterdir()) == logs, "a worker was started"
    assert "Winner: rank 1" in ended.stderr
    assert ended.stderr.splitlines()[-1] == "Next: `tuner study show tiny`, `tuner report tiny`."


def test_checkpoints_are_gone_when_their_trials_have_ended(folder: Path) -> None:
    assert not list(artifacts_of(folder, "tiny").glob("checkpoints/*"))


def test_status_lists_no_worker_that_has_ended(run_here: RunHere) -> None:
    assert json.loads(run_here("status", "--json"))["workers"] == []


def test_more_finals_keep_those_that_are_there(run: Run, run_here: RunHere) -> None:
    before = json.loads(run_here("study", "show", "tiny", "--json"))

    # `--until-done` here would start a pool, as in `test_failing_builders.py`.
    run("finals", "tiny", "--repeats", "3")
    run("worker", "tiny", "--until-done")

    after = json.loads(run_here("study", "show", "tiny", "--json"))
    assert [final["repeats"] for final in after["finals"]] == [3, 3]
    assert after["ensemble"]["members"] == 6
    assert after["trials"] == before["trials"]


def test_deleting_a_study_removes_its_files(run_here: RunHere, create_tiny: Callable[..., None], folder: Path) -> None:
    create_tiny("--name", "other")
    files = artifacts_of(folder, "other")
    (files / "checkpoints").mkdir(parents=True)

    run_here("study", "delete", "other", "--yes")

    assert not files.exists()
    assert "other" not in run_here("study", "list")
