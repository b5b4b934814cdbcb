import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tuner.cli import app as all_commands
from tuner.cli.dataset import app
from tuner.datasets.catalogue import CATALOGUE, UnknownDatasetError, open_dataset
from tuner.datasets.pictures.decoding import MixedSizesError
from tuner.datasets.published.download import DownloadError
from tuner.datasets.published.fetch import NothingToDownloadError
from tuner.datasets.reading import UnreadableDataError
from tuner.studies.database.storage import open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import insert_study


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `TUNER_DATA`."""
    monkeypatch.setenv("TUNER_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Class folders `cat` and `dog` of ten RGB pictures each."""
    for index in range(20):
        path = tmp_path / "photos" / ("cat" if index < 10 else "dog") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20), (9 * index, 5, 9)).save(path)
    return tmp_path / "photos"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_list_names_every_dataset_and_says_what_is_here(data_folder: Path) -> None:
    (data_folder / "kaggle-digits").mkdir(parents=True)
    (data_folder / "kaggle-digits" / "train.csv").write_text("", encoding="utf-8")

    result = run("list")

    assert result.exit_code == 0
    rows = {
        line.split("│")[1].strip(): line.split("│")[4].strip() for line in result.stdout.splitlines() if "│" in line
    }
    assert {name: rows[name] for name in CATALOGUE} == {
        "digits": "yes",
        "mnist": "no",
        "kmnist": "no",
        "fashion-mnist": "no",
        "kaggle-digits": "yes",
    }


def test_show_counts_the_training_images_of_mnist_only(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_DATA", str(data_dir))

    result = run("show", "mnist")

    assert "60,000 training images, 28x28 grey, 10 classes, the largest 1.24 times the smallest" in result.stdout
    assert "test set: its own; shown to models by finals alone" in result.stdout
    assert "10,000" not in result.stdout


def test_show_prints_json_alone() -> None:
    shown = json.loads(run("show", "digits", "--json").stdout)

    assert shown["n_images"] == sum(one["n_images"] for one in shown["classes"]) == 1438
    assert (shown["height"], shown["width"], shown["channels"]) == (8, 8, 1)
    assert shown["has_test_set"] is False
    assert shown["problems"] == []


def test_show_says_what_pixels_mean_and_what_is_guessed(tmp_path: Path) -> None:
    steps = np.zeros((20, 19, 19), np.uint8)
    steps[:, 1:18, 1:18] = np.random.default_rng(0).permuted(np.tile(np.arange(17), (20, 17, 1)), axis=2)
    np.savez(tmp_path / "own.npz", x_train=steps, y_train=["a", "b"] * 10)

    result = run("show", str(tmp_path / "own.npz"))
    shown = json.loads(run("show", str(tmp_path / "own.npz"), "--json").stdout)

    assert "pixels: 0 is black and 16 white in arrays, grey, light on dark, not inverted" in result.stdout
    assert re.search(r"^as models see them: 0 \|█[▁-▇]{15}\| 1$", result.stdout, re.MULTILINE)
    assert "Warning: The pixel values go from 0 to 16: 0 is taken as black and 16 as white." in result.stderr
    assert (shown["pixels"]["range"], shown["pixels"]["inverted"]) == ([0, 16], False)
    assert sum(shown["histogram"]) == pytest.approx(1)
    assert len(shown["histogram"]) == 16
    # Of equal classes few validation images are told where the score is a measure by class alone.
    assert len(shown["warnings"]) == 1


def test_show_takes_what_a_person_says_of_the_pixels(tmp_path: Path) -> None:
    ramps = np.linspace(-1, 1, 64).reshape(8, 8) * np.linspace(0.5, 1, 20)[:, None, None]
    np.savez(tmp_path / "own.npz", x_train=ramps, y_train=["a", "b"] * 10)

    result = run("show", str(tmp_path / "own.npz"), "--range", "-1,1", "--invert", "true")

    assert "-1 is black and 1 white in arrays, grey, mixed" not in result.stdout
    assert "-1 is black and 1 white in arrays, grey" in result.stdout
    assert ", inverted" in result.stdout
    assert result.stderr == ""


def test_show_warns_of_a_class_of_few_validation_images_beside_larger_ones(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (90, 8, 8), np.uint8)
    np.savez(tmp_path / "own.npz", x_train=images, y_train=["a"] * 30 + ["b"] * 60)

    result = run("show", str(tmp_path / "own.npz"))

    assert "Class 'a' has 2 validation images, and 1 more class has fewer than 20: " in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--range", "bright", "the lower first"),
        ("--background", "grey", "Expected white, black or auto"),
        ("--invert", "maybe", "Expected true, false or auto"),
    ],
)
def test_what_cannot_be_said_of_pixels_is_a_usage_error(option: str, value: str, expected: str) -> None:
    result = run("show", "digits", option, value)

    assert result.exit_code == 2
    assert expected in " ".join(result.stderr.replace("│", " ").split())


def test_show_writes_a_sheet_of_samples(tmp_path: Path) -> None:
    result = run("show", "digits", "--sheet", str(tmp_path / "sheet.png"))

    assert f"samples: {tmp_path / 'sheet.png'}" in result.stdout
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert np.asarray(sheet).std() > 10


def test_show_takes_a_path(pictures: Path) -> None:
    result = run("show", str(pictures))

    assert "16 training images, 20x30 RGB, 2 classes" in result.stdout
    assert "test set: a fifth of every class, held out; shown to models by finals alone" in result.stdout


def test_pictures_of_mixed_sizes_are_shown_with_a_size(pictures: Path) -> None:
    Image.new("RGB", (64, 64)).save(pictures / "cat" / "large.png")

    assert isinstance(run("show", str(pictures)).exception, MixedSizesError)
    assert "17 training images, 16x16 RGB" in run("show", str(pictures), "--resize", "16x16").stdout


@pytest.mark.parametrize("size", ["28", "28x", "0x28", "axb", "28x28x1"])
def test_a_size_that_is_none_is_a_usage_error(size: str) -> None:
    result = run("show", "digits", "--resize", size)

    assert result.exit_code == 2
    assert "Expected HEIGHTxWIDTH" in result.stderr.replace("\n", " ")


def test_broken_files_are_listed_in_json_and_end_the_command(pictures: Path) -> None:
    (pictures / "dog" / "bad.png").write_bytes(b"broken")

    result = run("show", str(pictures), "--json")

    assert json.loads(result.stdout)["problems"] == ["dog/bad.png is no PNG, JPEG, TIFF, BMP, GIF or WebP picture"]
    assert isinstance(result.exception, UnreadableDataError)


def test_fetching_offline_says_what_to_do(data_folder: Path) -> None:
    result = run("fetch", "kmnist")

    assert isinstance(result.exception, DownloadError)
    assert f"put the file into {data_folder / 'kmnist'} yourself" in str(result.exception)
    assert result.stdout == ""


@pytest.mark.parametrize(("name", "error"), [("mnits", UnknownDatasetError), ("kaggle-digits", NothingToDownloadError)])
def test_what_cannot_be_fetched_is_an_error(name: str, error: type[Exception]) -> None:
    assert isinstance(run("fetch", name).exception, error)


def test_what_is_here_is_not_fetched(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_DATA", str(data_dir))

    assert run("fetch", "mnist").stdout == f"mnist: whole in {data_dir / 'mnist'}, nothing to fetch\n"
    assert "comes with scikit-learn" in run("fetch", "digits").stdout


def test_the_commands_import_no_heavy_library_before_they_run() -> None:
    code = (
        "import sys, tuner.cli.dataset; print([name for name in ('numpy', 'PIL', 'requests') if name in sys.modules])"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout == "[]\n"


def test_a_study_shows_the_same_line_of_its_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(1, 16, (20, 6, 6))
    images[:, 0] = images[:, :, 0] = images[:, -1] = images[:, :, -1] = 0
    np.savez(tmp_path / "own.npz", x_train=images, y_train=[0, 1] * 10)
    part = open_dataset(str(tmp_path / "own.npz"), data_dir=tmp_path).read_training_part()
    monkeypatch.setenv("TUNER_STORAGE", f"sqlite:///{tmp_path / 'tuner.db'}")
    definition = make_definition(space="mlp", dataset=str(tmp_path / "own.npz"), name="s")
    with open_storage(f"sqlite:///{tmp_path / 'tuner.db'}") as storage:
        insert_study(storage, definition, class_names=["0", "1"], provenance={}, pixels=part.pixels_to_json())

    of_study = CliRunner().invoke(all_commands, ["study", "show", "s"], catch_exceptions=False).output.splitlines()
    of_dataset = run("show", str(tmp_path / "own.npz")).output.splitlines()

    (line,) = (line for line in of_dataset if line.startswith("pixels: "))
    assert line == "pixels: 0 is black and 15 white in arrays, grey, light on dark, not inverted"
    assert line in of_study


def test_a_page_shows_samples_balance_and_augmented_images_and_no_test_image(tmp_path: Path) -> None:
    page = tmp_path / "page.html"

    result = run("show", "digits", "--html", str(page))

    assert result.exit_code == 0, result.output
    assert f"page: {page}" in result.stdout
    text = page.read_text().replace("\u00a0", " ")
    assert "Train: 1,294 images" in text
    assert "Validation: 144 images" in text
    assert '<th scope="col">Validation</th>' in text
    assert '<th scope="col">Test</th>' not in text
    assert "8 training images of class 9." in text
    assert "6 augmented versions of training image 1." in text
