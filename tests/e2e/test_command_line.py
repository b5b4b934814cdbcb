import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Run, RunHere, start
from typer.testing import CliRunner

from tuner.cli import app


def commands(typer_app: object = app, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return every command of the app as its words."""
    words = [
        (*prefix, command.name or command.callback.__name__.replace("_", "-"))
        for command in typer_app.registered_commands
    ]  # type: ignore[attr-defined]
    for group in typer_app.registered_groups:  # type: ignore[attr-defined]
        words += commands(group.typer_instance, (*prefix, group.name))
    return words


@pytest.mark.parametrize("words", [(), *commands()], ids=" ".join)
def test_every_command_explains_itself(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    # In this process: to start one for each of them takes 10 seconds.
    shown = CliRunner().invoke(app, [*words, "--help"], prog_name="tuner").stdout

    assert "Usage: tuner " + " ".join(words) in shown
    assert "--help" in shown


def test_help_takes_less_than_0_4_seconds_of_processor_time() -> None:
    tuner = Path(sys.executable).with_name("tuner")
    used = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        shown = subprocess.run([tuner, "--help"], check=True, capture_output=True, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)

    assert "Usage: tuner" in shown
    assert min(used) < 0.4


def test_the_version_is_printed(folder: Path) -> None:
    process = start(folder, "--version")
    stdout, _ = process.communicate(timeout=60)

    assert stdout.startswith("tuner 0.")


# Without a check, whose process is started before anything is read and would be ended again.
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["study", "show", "nope"], "No study named 'nope'"),
        (["study", "create", "--space", "cnnn", "--no-check"], "Did you mean 'cnn'"),
        (["study", "create", "--space", "cnn", "--dataset", "mnits", "--no-check"], "mnist"),
        (
            ["study", "create", "--space", "mlp", "--dataset", "digits", "--sampler", "tpee", "--no-check"],
            "tpe, random",
        ),
        (
            ["study", "create", "--space", "mlp", "--dataset", "digits", "--sampler", "grid", "--no-check"],
            "learning_rate",
        ),
        (["study", "create", "nowhere.toml"], "nowhere.toml"),
        (["study", "create", "--space", "mlp", "--dataset", "mnist", "--no-check"], "tuner dataset fetch mnist"),
        (["--storage", "postgresql://me:secret@127.0.0.1:1/x", "study", "list"], "Connection refused"),
        (["worker", "nope"], "No study named 'nope'"),
        (["finals", "nope"], "No study named 'nope'"),
        (["report", "nope"], "No study named 'nope'"),
        (["predict", "nope.bundle", "nope.png"], "nope.bundle"),
        (["dataset", "show", "nope.npz"], "nope.npz"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_status_1(fail_here: RunHere, arguments: list[str], expected: str) -> None:
    line = fail_here(*arguments)

    assert expected in line
    assert "secret" not in line


def test_a_wrong_option_is_status_2(folder: Path) -> None:
    process = start(folder, "workers", "-n", "many")
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "auto" in stderr


def test_a_failed_creation_leaves_no_study(run: Run) -> None:
    failed = run("study", "create", "--space", "mlp", "--dataset", "digits", "--set", "fixed.unitz=3", status=1)

    assert failed.stdout == ""
    assert len(failed.stderr.splitlines()) == 1
    assert "No studies yet" in run("study", "list").stderr


NOISY = """
import atexit, ctypes, os, keras
print("at import")
atexit.register(print, "at the end")
def build(hp):
    os.system("echo by a shell")
    ctypes.CDLL(None).printf(b"by C\\n")
    net = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(hp.Int("units", 4, 8))]
    model = keras.Sequential([*net, keras.layers.Dense(10, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""


def test_nothing_that_a_builder_or_its_module_writes_is_in_the_json(run: Run, folder: Path) -> None:
    (folder / "noisy.py").write_text(NOISY)

    answer = run("space", "show", "noisy:build", "--dataset-shape", "8x8x1", "--json")

    assert json.loads(answer.stdout)["parameters"][0]["name"] == "units"
    assert {"at import", "by a shell", "by C", "at the end"} <= set(answer.stderr.splitlines())
