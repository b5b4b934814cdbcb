"""One notebook runs as a person runs it; the studies that it leaves are looked at from Python and by command."""

import difflib
import doctest
import re
import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from support.notebooks import EXAMPLES, run_notebook
from typer.testing import CliRunner

import tuner
from tuner.cli import app

#: The notebook that the suite runs; its study is that of the script `keras_tuner_after.py`.
_RUN = "from_keras_tuner"
_OTHERS = sorted(path.stem for path in EXAMPLES.glob("*.ipynb") if path.stem != _RUN)


@contextmanager
def _one_core() -> Iterator[None]:
    """Start one worker instead of one per core, each of which would import TensorFlow."""
    process = psutil.Process()
    cores = process.cpu_affinity()
    process.cpu_affinity(cores[:1])
    try:
        yield
    finally:
        process.cpu_affinity(cores)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the notebook has run."""
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNER_DATA", str(folder / "data"))
        with _one_core():
            run_notebook(_RUN, folder)
        patch.chdir(folder / "examples")
        yield folder / "examples"


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize("module", ["tuner", "tuner.python.opening", "tuner.python.study"])
def test_the_examples_of_docstrings_are_true(module: str) -> None:
    names = {"tuner": tuner, "study": tuner.load_study("arrays-build")}

    result = doctest.testmod(import_module(module), extraglobs=names, optionflags=doctest.ELLIPSIS)

    assert result.attempted
    assert not result.failed


@pytest.mark.usefixtures("ran")
def test_the_command_line_sees_the_study_of_a_notebook() -> None:
    shown = CliRunner().invoke(app, ["study", "show", "arrays-build", "--json"])

    assert '"state": "done"' in shown.stdout


@pytest.mark.usefixtures("ran")
def test_a_script_with_the_same_builder_and_data_finds_the_study(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "keras_tuner_after.py"), run_name="__main__")

    stdout, stderr = capsys.readouterr()
    assert stdout.startswith("Test accuracy ")
    assert "arrays-build is there already, done" in stderr
    assert len(tuner.list_studies()) == 1


def test_three_lines_of_a_script_with_keras_tuner_change() -> None:
    before, after = (
        [line for line in (EXAMPLES / f"keras_tuner_{name}.py").read_text().splitlines() if line.strip()]
        for name in ("before", "after")
    )

    marks = [line[0] for line in difflib.ndiff(before, after)]

    assert (marks.count("-"), marks.count("+")) == (3, 3)
    assert len(before) < 30


@pytest.mark.usefixtures("ran")
def test_other_settings_under_a_name_are_refused_with_what_to_type() -> None:
    study = tuner.load_study("arrays-build")

    with pytest.raises(tuner.TunerError, match=r"search\.trials: 3 -> 5.*load_study\('arrays-build'\)\.extend\(2\)"):
        tuner.create_study(definition=study.definition, trials=5)
    with pytest.raises(tuner.TunerError, match="another definition: the builder's source is another"):
        tuner.create_study(f"{Path('.tuner/builders/build_0.py').absolute()}:build", definition=study.definition)


@pytest.mark.usefixtures("ran")
def test_it_shows_itself_in_notebooks() -> None:
    study = tuner.load_study("arrays-build")

    for value in (study, study.best_trial, study.winner, study.bundle()):
        assert value._repr_html_().startswith("<div><table>")
        assert len(repr(value)) < 200


@pytest.mark.usefixtures("ran")
def test_a_rank_that_no_final_has_is_told_with_those_that_there_are() -> None:
    with pytest.raises(tuner.TunerError, match=r"no model of rank 2, repeat 1\. It has: rank 1 with 1 repeat\."):
        tuner.load_study("arrays-build").bundle(rank=2)


@pytest.mark.usefixtures("ran")
def test_a_stopped_study_says_how_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    study = tuner.create_study("mlp", "digits", name="stopped", trials=2, check=False).stop()

    with pytest.raises(tuner.TunerError, match=r"is stopped\. Continue it with study\.resume\(\), then study\.run\(\)"):
        study.run()
    with pytest.raises(tuner.TunerError, match=r"is stopped and has no tested final yet\. Continue it"):
        study.best_model()
    with pytest.raises(tuner.TunerError, match="No figure named 'histroy' in the report"):
        study.figure("histroy")
    assert study.resume().extend(1).progress.budget == 3
    study.delete()
    assert "No study named 'stopped'" in repr(study)
    assert "2 trials of up to 10 epochs" in capsys.readouterr().err


@pytest.mark.parametrize("name", [_RUN, *_OTHERS])
def test_a_notebook_is_stored_with_what_it_shows(name: str) -> None:
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert len(outputs) >= 5
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if "absl::" in str(output)]


#: A builder that works where it is tried, and fails in the search's workers.
_FAILING = """
def refuse(units):
    import sys
    if "worker" in sys.argv:
        raise ValueError(f"no {units} units")
"""
_BUILDER = """
def build(hp):
    units = hp.Choice("units", [16, 32])
    refuse(units)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""


@pytest.mark.notebooks
def test_a_failure_in_a_worker_is_told_with_its_cell_and_line(tmp_path: Path) -> None:
    start = "import keras, tuner\nfrom sklearn.datasets import load_digits\nx, y = load_digits(return_X_y=True)"
    create = "study = tuner.create_study(build, (x.reshape(-1, 8, 8), y), trials=8, epochs=1, check=False)"
    cells = [start, _FAILING, _BUILDER, create, "study.run(workers=1)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])

    NotebookClient(notebook, timeout=280, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}).execute()

    (error,) = [output for output in notebook.cells[-1].outputs if output.output_type == "error"]
    assert re.search(r"5 failures in a row, the last: In \[2\], line 4, `raise .*create another study", error.evalue)
    assert not [one for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == str(tmp_path)]


@pytest.mark.notebooks
@pytest.mark.parametrize("name", _OTHERS)
def test_every_notebook_runs(name: str, tmp_path: Path) -> None:
    run_notebook(name, tmp_path)
