import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from tuner.cli.doctor import doctor
from tuner.doctor import database, files, packages

CHECKS = ["versions", "devices", "epoch caps", "database", "data", "artifacts"]
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `tuner doctor` in an empty folder, without settings of the caller's."""
    monkeypatch.chdir(tmp_path)
    for name in ("TUNER_STORAGE", "TUNER_DATA", "TUNER_ARTIFACTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TUNER_DATA", str(tmp_path / "data"))
    app = typer.Typer()
    app.command()(doctor)
    return lambda *arguments, **environment: CliRunner().invoke(app, list(arguments), env=environment)


def findings_of(result: Result) -> dict[str, dict[str, object]]:
    return {finding["check"]: finding for finding in json.loads(result.stdout)}


def test_a_fresh_machine_has_nothing_to_mend_and_nothing_is_left_behind(run: Run, tmp_path: Path) -> None:
    result = run("--json")

    findings = findings_of(result)
    assert result.exit_code == 0, result.stdout
    assert list(findings) == CHECKS
    assert all(set(finding) == {"check", "ok", "message", "fix"} and finding["ok"] for finding in findings.values())
    assert list(tmp_path.iterdir()) == []


def test_people_read_one_line_a_check(run: Run) -> None:
    result = run()

    assert [line.split(":")[0] for line in result.stdout.splitlines() if line.startswith("ok")] == [
        f"ok   {check}" for check in CHECKS
    ]


def test_the_versions_that_shape_results_are_named(run: Run) -> None:
    assert f"keras {keras.__version__}" in findings_of(run("--json"))["versions"]["message"]


def test_an_existing_database_is_measured(run: Run, tmp_path: Path) -> None:
    (tmp_path / "studies.db").touch()

    finding = findings_of(run("--json", "--storage", f"sqlite:///{tmp_path / 'studies.db'}"))["database"]

    assert finding["ok"]
    assert "ms a statement" in finding["message"]


def test_a_database_that_is_away_fails_without_showing_its_password(run: Run) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    result = run("--json", TUNER_STORAGE=f"postgresql://tuner:s3cr%40t@127.0.0.1:{port}/tuner")

    finding = findings_of(result)["database"]
    assert result.exit_code == 1
    assert not finding["ok"]
    assert finding["fix"] == "export TUNER_STORAGE=postgresql://USER:PASSWORD@HOST/DATABASE"
    assert "s3cr" not in result.output


def test_a_database_that_accepts_and_never_answers_is_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PATIENCE_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        finding = findings_of(run("--json", TUNER_STORAGE=f"postgresql://u:hidden@127.0.0.1:{port}/d"))["database"]

    assert "no answer within 1 s" in finding["message"]


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@zz:x@127.0.0.1/d", "host=127.0.0.1 port=1 password=zz", "sqlite:///:memory:"]
)
def test_a_database_that_no_url_names_beyond_doubt_fails_in_one_line(run: Run, url: str) -> None:
    finding = findings_of(run("--json", TUNER_STORAGE=url))["database"]

    assert not finding["ok"]
    assert "zz" not in finding["message"]
    assert "\n" not in finding["message"]


def test_a_cap_on_epochs_is_refused(run: Run) -> None:
    keras.config.set_max_epochs(1)
    try:
        result = run("--json")
    finally:
        keras.config.set_max_epochs(None)

    assert result.exit_code == 1
    assert findings_of(result)["epoch caps"] == {
        "check": "epoch caps",
        "ok": False,
        "message": "KERAS_MAX_EPOCHS=1 would cut every training run short",
        "fix": "unset KERAS_MAX_EPOCHS",
    }


def test_packages_that_are_old_or_missing_are_named_and_optional_ones_are_not(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for = ["numpy>=99", "no-such-package>=1", "no-such-extra>=1; extra == 'gp'", "keras>=3"]
    monkeypatch.setattr(packages.metadata, "requires", lambda _: asked_for)

    finding = findings_of(run("--json"))["versions"]

    assert finding["message"] == f"numpy is {np.__version__}, expected >=99; no-such-package is missing"
    assert finding["fix"] == "pip install 'numpy>=99' 'no-such-package>=1'"


def test_what_the_frameworks_log_of_missing_devices_is_not_shown(tmp_path: Path) -> None:
    tuner = Path(sys.executable).with_name("tuner")
    environment = {**os.environ, "TUNER_HOME": str(tmp_path), "TUNER_DATA": str(tmp_path)}

    ended = subprocess.run([tuner, "doctor"], env=environment, capture_output=True, text=True, check=False)

    assert "devices: Keras on" in ended.stdout
    assert ended.stderr == ""


def test_a_damaged_dataset_is_named_with_the_command_that_fetches_it_anew(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"cut short")

    finding = findings_of(run("--json"))["data"]

    assert not finding["ok"]
    assert "train-images-idx3-ubyte.gz is damaged" in finding["message"]
    assert "t10k-labels-idx1-ubyte.gz is missing" in finding["message"]
    assert finding["fix"] == "tuner dataset fetch mnist"


def test_a_file_where_artifacts_belong_fails(run: Run, tmp_path: Path) -> None:
    (tmp_path / "artifacts").touch()

    artifacts = findings_of(run("--json", TUNER_ARTIFACTS=str(tmp_path / "artifacts")))["artifacts"]

    assert not artifacts["ok"]


def test_too_little_space_for_artifacts_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MIN_FREE_BYTES", 10**18)

    artifacts = findings_of(run("--json"))["artifacts"]

    assert not artifacts["ok"]
    assert artifacts["message"].endswith("GB free, expected at least 1 GB")


def test_artifacts_may_live_behind_a_url(run: Run, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/artifacts"

    assert "is writable" in findings_of(run("--json", TUNER_ARTIFACTS=url))["artifacts"]["message"]
