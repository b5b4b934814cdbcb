import json
from pathlib import Path

from commands import Run, RunHere


def test_a_check_prints_a_line_a_stage_and_stores_nothing(run_here: RunHere, folder: Path) -> None:
    lines = run_here("study", "check", "tiny.toml", "--set", "finals.top=1").splitlines()

    assert [line for line in lines if not line.startswith("works  ")] == []
    assert {"search, resuming", "finals, test images", "finals, bundle"} <= {line[7:30].strip() for line in lines}
    assert not (folder / ".tuner").exists()


def test_a_check_that_fails_is_one_line_and_status_1_also_with_json(run: Run, folder: Path) -> None:
    (folder / "broken.py").write_text("def build(hp):\n    print('noise')\n    raise ValueError('no such layer')\n")

    failed = run("study", "check", "--space", "broken:build", "--dataset", "digits", "--json", status=1)

    (line,) = failed.stderr.splitlines()
    assert line.startswith("tuner: search, hyperparameters: ")
    assert "no such layer" in line
    reports = {report["stage"]: report for report in json.loads(failed.stdout)}
    assert reports["space"]["problem"] is None
    assert "broken.py" in reports["search, hyperparameters"]["problem"]
