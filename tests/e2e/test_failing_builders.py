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

    worker = run("worker", "b", "--until-done", status=1)
    # The study has ended, so that a pool starts no worker.
    pool = run("workers", "b", "--until-done", status=1)

    shown = json.loads(run_here("study", "show", "b", "--json"))
    assert shown["state"] == "stopped"
    assert shown["trials"]["failed"] == 5
    assert "no such layer" in shown["stop_reason"]
    for ended in (worker, pool):
        assert "broken.py:7 in build: ValueError: no such layer" in ended.stderr.splitlines()[-1]
        assert "tuner study resume b" in ended.stderr.splitlines()[-1]
    assert shown["failures"][0]["kind"] == "builder_error"
    assert "no such layer" in run_here("trial", "show", "b", "1")


BREAKS_IN_FINALS = """
import keras
import keras_tuner


class Net(keras_tuner.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(hp.Int("units", 8, 32), "relu")])
        model.add(keras.layers.Dense(10, activation="softmax"))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp, model, *args, epochs, **kwargs):
        if epochs == 3:
            raise RuntimeError("not three epochs")
        return model.fit(*args, epochs=epochs, **kwargs)
"""
FINALS = [
    f"--set=finals.{setting}"
    for setting in ("top=1", "candidates=1", "confirm_repeats=1", "repeats=1", "epochs=3", "compare_augmentation=false")
]


def test_finals_that_fail_end_every_command_with_status_1_and_the_line_of_code(
    run: Run, run_here: RunHere, fail_here: RunHere, folder: Path
) -> None:
    (folder / "late.py").write_text(BREAKS_IN_FINALS)
    (folder / "late.toml").write_text('name = "l"\nspace = "late:Net"\ndataset = "digits"\n')
    reason = "late.py:15 in fit: RuntimeError: not three epochs"

    # Three epochs are what nothing but the finals trains.
    ran = run("run", "late.toml", "--name", "named", "--set", "search.trials=1", "--set", "search.epochs=2",
              *FINALS, "--workers", "1", "--no-check", status=1)  # fmt: skip
    again = run("finals", "named", "--until-done", status=1)

    shown = json.loads(run_here("study", "show", "named", "--json"))
    printed = run_here("study", "show", "named")
    for ended in (ran, again):
        assert ended.stderr.splitlines()[-1].startswith("tuner: Incomplete result of study named: 1 of 1 retraining")
        assert reason in ended.stderr.splitlines()[-1]
    assert "1 trial of up to 2 epochs, then finals: 1 confirmation of 2 epochs, 1 retraining of 3 epochs" in ran.stderr
    assert ran.stdout.splitlines()[-1].endswith("report.html")
    assert shown["winner"] is None
    assert shown["definition"]["search"]["epochs"] == 2
    (failure,) = shown["failures"]
    assert (failure["stage"], failure["repeat"], failure["message"]) == ("retrain", 1, reason)
    assert "1/1 retrainings: 1 failed" in printed
    assert "Best of the search: trial 0" in printed
    assert "Winner" not in printed
    changed = fail_here("run", "late.toml", "--name", "named", "--set", "search.trials=4", "--set", "search.epochs=2",
                        *FINALS)  # fmt: skip
    assert "search.trials: 1 -> 4" in changed
    assert "`tuner study extend named --trials 3`" in changed
