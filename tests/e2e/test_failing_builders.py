import json
from pathlib import Path

from commands import Run, RunHere

BREAKS_LATER = """
import keras


def build(hp):
    if hp.Int("units", 1, 1_000_000) != 1:
        raise ValueError("no such layer")
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""


def test_a_study_whose_builder_keeps_failing_stops_with_the_reason(run: Run, run_here: RunHere, folder: Path) -> None:
    # The default, which creation builds, works; what is drawn does not.
    (folder / "broken.py").write_text(BREAKS_LATER)
    create = ("study", "create", "--space", "broken:build", "--dataset", "digits", "--name", "b", "--trials", "20")
    run(*create, "--no-check")

    run("workers", "b", "--until-done", "-n", "1")

    shown = json.loads(run_here("study", "show", "b", "--json"))
    assert shown["state"] == "stopped"
    assert shown["trials"]["failed"] == 5
    assert "no such layer" in shown["stop_reason"]
    assert shown["failures"][0]["kind"] == "builder_error"
    assert "no such layer" in run_here("trial", "show", "b", "1")


def test_a_builder_that_fails_at_once_creates_no_study(run: Run, folder: Path) -> None:
    (folder / "broken.py").write_text("def build(hp):\n    raise ValueError('no such layer')\n")

    failed = run("study", "create", "--space", "broken:build", "--dataset", "digits", "--name", "b", status=1)

    assert "no such layer" in failed.stderr
