import ast
from pathlib import Path

import numpy as np
import pytest
from dataset_files import Load, draw_images, write_idx_pair

import tuner
from tuner.datasets.catalogue import CATALOGUE, UnknownDatasetError, open_dataset
from tuner.datasets.division.splits import SplitError
from tuner.datasets.formats.labels import TooFewClassesError
from tuner.datasets.formats.unrecognised import UnrecognisedDataError
from tuner.datasets.test_set import load_test_set


def test_digits_need_no_download(load_train: Load) -> None:
    data = load_train("digits")

    assert data.image_format == CATALOGUE["digits"].image_format
    assert data.images.dtype == np.uint8
    assert data.images.max() == 255


def test_a_dataset_without_test_set_holds_out_a_fifth_of_every_class_for_ever(tmp_path: Path, load_train: Load) -> None:
    train, test = load_train("digits"), load_test_set("digits", data_dir=tmp_path)
    counts = np.bincount(np.concatenate([train.labels, test.labels]))

    assert (len(train), len(test)) == (1438, 359)
    assert np.abs(np.bincount(test.labels) - counts / 5).max() < 1
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}
    assert test.content_hash()[:16] == "b59277287905156b"


def test_search_and_finals_divide_own_data_alike(tmp_path: Path) -> None:
    images = draw_images(50)
    write_idx_pair(tmp_path, images, [3, 8] * 25)

    train = open_dataset(str(tmp_path), data_dir=tmp_path).load_train()
    test = load_test_set(str(tmp_path), data_dir=tmp_path)

    parts = [image.tobytes() for part in (train, test) for image in part.images]
    assert sorted(parts) == sorted(image.tobytes() for image in images)
    assert len(test) == 10
    assert train.class_names == test.class_names == ("3", "8")


def test_a_class_too_small_for_the_held_out_fifth_is_named(tmp_path: Path, load_train: Load) -> None:
    write_idx_pair(tmp_path, draw_images(21), [0] * 20 + [1])

    with pytest.raises(
        SplitError, match=r"has no labelled test set: holding out 0\.2 .* 0 of the 1 images of class '1'"
    ):
        load_train(tmp_path)


def test_one_class_only_is_refused(tmp_path: Path, load_train: Load) -> None:
    write_idx_pair(tmp_path, draw_images(10), [4] * 10)

    with pytest.raises(TooFewClassesError, match="received only the class '4'"):
        load_train(tmp_path)


@pytest.mark.parametrize(
    ("name", "guess"), [("mnits", "mnist"), ("Fashion_MNIST", "fashion-mnist"), ("kaggle", "kaggle-digits")]
)
def test_an_unknown_name_lists_the_known_ones_and_guesses(load_train: Load, name: str, guess: str) -> None:
    with pytest.raises(
        UnknownDatasetError, match=rf"named '{name}'.* Did you mean '{guess}'\? Known datasets: digits, mnist"
    ):
        load_train(name)


def test_a_name_like_no_other_is_not_guessed(load_train: Load) -> None:
    with pytest.raises(UnknownDatasetError, match=r"path\. Known datasets: digits"):
        load_train("photos/of/cats")


def test_a_folder_of_something_else_says_what_is_expected(tmp_path: Path, load_train: Load) -> None:
    (tmp_path / "notes.txt").write_text("nothing here", encoding="utf-8")

    with pytest.raises(UnrecognisedDataError, match=r"expected an \.npz file with x_train and y_train"):
        load_train(tmp_path)


def test_opening_a_dataset_reads_nothing(tmp_path: Path) -> None:
    dataset = open_dataset("mnist", data_dir=tmp_path / "not there")

    assert dataset.has_test_set
    assert dataset.description == "70,000 handwritten digits"


def test_the_test_set_is_reached_through_one_door_only() -> None:
    package = Path(tuner.__file__).parent
    callers = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"read_test", "held_out"}
    }

    assert callers == {"datasets/test_set.py"}


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_current_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownDatasetError, match="No dataset named"):
        open_dataset(name, data_dir=tmp_path)
