import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tuner.cli import app
from tuner.errors import TunerError

BUILDER = """
import keras

def build(hp):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    optimizer = keras.optimizers.SGD(hp.Float("step", 1e-3, 1.0, sampling="log"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TUNER_HOME", str(tmp_path / "home"))


def test_an_own_builder_and_an_optimizer_that_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "ranged_net.py").write_text(BUILDER)
    words = ["lr-range", "--space", "ranged_net:build", "--dataset", "digits", "--optimizers", "sgd,adagrad"]

    result = CliRunner().invoke(app, [*words, "--steps", "60", "--to", "1e5", "--json"])

    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [one["optimizer"] for one in told["optimizers"]] == ["sgd", "adagrad"]
    for one in told["optimizers"]:
        low, high = one["suggested"]
        assert 1e-6 <= low < one["steepest"] < high <= 1e5
    assert "falls fastest" in Path(told["page"]).read_text()


def test_a_space_without_a_learning_rate_has_nothing_to_write(tmp_path: Path) -> None:
    (tmp_path / "other_net.py").write_text(BUILDER)
    definition = tmp_path / "mine.toml"
    definition.write_text('name = "mine"\nspace = "mlp"\ndataset = "digits"\n')

    result = CliRunner().invoke(
        app, ["lr-range", "--space", "other_net:build", "--dataset", "digits", "--write", str(definition)]
    )

    assert isinstance(result.exception, TunerError)
    assert "asks for no hyperparameter learning_rate" in str(result.exception)
    assert "low" not in definition.read_text()
    assert not Path("lr-range.html").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--from", "1", "--to", "0.1"], "--from"),
        (["--from", "0"], "above 0"),
        (["--optimizers", "sgd,sgd"], "different names"),
        (["--optimizers", "sgd,adam", "--write", "x.toml"], "Expected one with --write"),
        (["--study", "mine", "--space", "cnn"], "--space beside a study"),
        ([], "Give a definition file, --space or --study"),
    ],
    ids=["falling rates", "zero", "twice", "two to write", "study and space", "nothing"],
)
def test_what_cannot_be_tested_is_wrong_usage(words: list[str], expected: str) -> None:
    result = CliRunner().invoke(app, ["lr-range", *words], env={"COLUMNS": "300"})

    assert result.exit_code == 2
    assert expected in " ".join(result.output.split())


def test_an_unknown_optimizer_is_named_before_images_are_read() -> None:
    result = CliRunner().invoke(app, ["lr-range", "--space", "mlp", "--dataset", "digits", "--optimizers", "adamm"])

    assert "no optimizer named 'adamm'. Did you mean 'adam'?" in str(result.exception)
