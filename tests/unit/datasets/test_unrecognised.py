"""Paths at which nothing can be read: the error says what lies there, and where to point instead."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dataset_files import Load, draw_images, write_csv, write_idx_pair, write_picture

from tuner.datasets.formats.file_formats import list_file_formats
from tuner.datasets.formats.unrecognised import UnrecognisedDataError
from tuner.studies.definitions.naming import default_study_name

IMAGES = draw_images(4, height=6, width=6)


def _classes(*folders: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        for folder in folders:
            for index, pixels in enumerate(IMAGES):
                write_picture(path / folder / f"{index}.png", pixels)

    return write


def _archive(path: Path) -> None:
    np.savez(path / "faces.npz", x_train=IMAGES, y_train=[0, 1] * 2)


def _tables(path: Path) -> None:
    for part in ("train", "test"):
        write_csv(path / f"mnist_{part}.csv", IMAGES.reshape(4, 36), [0, 1] * 2)


def _idx_files(path: Path) -> None:
    write_idx_pair(path / "raw", IMAGES, [0] * 4)


def _other_idx_files(path: Path) -> None:
    write_idx_pair(path, IMAGES, [0] * 4, part="emnist-letters-train")


def _pages(path: Path) -> None:
    for folder in "ab":
        (path / folder).mkdir()
        (path / folder / "1.heic").touch()


@pytest.mark.parametrize(
    ("write", "advice"),
    [
        pytest.param(_archive, "Give the path {path}/faces.npz, which", id="archive in a folder"),
        pytest.param(_tables, "Give the path {path}/mnist_test.csv or {path}/mnist_train.csv", id="tables"),
        pytest.param(
            lambda path: write_idx_pair(path / "raw", IMAGES, [0] * 4), "the path {path}/raw,", id="IDX files"
        ),
        pytest.param(_classes("data/train/a", "data/train/b"), "the path {path}/data,", id="folder around"),
        pytest.param(_classes("images/a", "images/b"), "the path {path}/images,", id="folder around classes"),
        pytest.param(_classes("a/x", "a/y", "b/x"), "the path {path}/a or {path}/b,", id="classes of classes"),
        pytest.param(_classes("a/images", "b/images"), "The pictures of a, b lie in a folder images", id="one deeper"),
        pytest.param(_classes("seg/seg/a", "seg/seg/b"), "the path {path}/seg/seg,", id="folder twice"),
        pytest.param(_classes("Train/a", "Train/b", "Test/a"), "Train would be the training part if", id="capitals"),
        pytest.param(_classes("Training/a", "Testing/a"), "Training would be the training part if", id="training"),
        pytest.param(_classes("test/a", "test/b", "val/a"), "the training part beside it must be", id="no train"),
        pytest.param(_other_idx_files, "must be called train-images-idx3-ubyte[.gz]", id="IDX files of other names"),
        pytest.param(_classes(""), "It holds 4 pictures and no folders of classes: sort them", id="pictures"),
        pytest.param(_pages, r"It holds 2 .heic in sub-folders.", id="other pictures"),
    ],
)
def test_a_folder_that_cannot_be_read_says_where_to_look(
    tmp_path: Path, load_train: Load, write: Callable[[Path], None], advice: str
) -> None:
    (tmp_path / "own").mkdir()
    write(tmp_path / "own")

    with pytest.raises(UnrecognisedDataError) as caught:
        load_train(tmp_path / "own")

    assert advice.format(path=tmp_path / "own") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("train.csv.gz", "Unpack it first."),
        ("pictures.zip", "Unpack it first."),
        ("train-images-idx3-ubyte.gz", "Give the path of the folder that holds it and the others."),
        ("1.png", "Give the path of the folder that holds it and the others."),
        ("images.npy", "x_train=…, y_train=…)`."),
        ("faces.mat", "write the arrays by `numpy.savez(path, x_train=…, y_train=…)`."),
        ("train.tsv", "as a .csv file."),
        ("notes.pdf", "pictures for each class."),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path, load_train: Load, name: str, advice: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"label"))

    with pytest.raises(UnrecognisedDataError) as caught:
        load_train(tmp_path / name)

    assert str(caught.value).endswith(advice)


def test_a_folder_with_nothing_is_one_clear_line(tmp_path: Path, load_train: Load) -> None:
    with pytest.raises(UnrecognisedDataError, match=r"for each class\.$"):
        load_train(tmp_path)


def test_an_unreadable_path_and_help_name_every_format(tmp_path: Path, load_train: Load) -> None:
    (tmp_path / "notes.txt").touch()

    with pytest.raises(UnrecognisedDataError) as caught:
        load_train(tmp_path / "notes.txt")

    assert str(caught.value).endswith(
        "expected an .npz file with x_train and y_train, a CSV file with the columns label, pixel0, …, a folder with "
        "train.csv, a folder with train-images-idx3-ubyte[.gz] and train-labels-idx1-ubyte[.gz], a folder of pictures "
        "with metadata.csv, metadata.jsonl or labels.csv or a folder with one sub-folder of pictures for each class."
    )
    assert list_file_formats() == "an .npz file, a CSV file, a folder of IDX files or a folder of pictures"


@pytest.mark.parametrize(
    ("path", "name"), [("a/faces.npz", "faces-cnn"), ("a/T.CSV", "T-cnn"), ("a/pictures/", "pictures-cnn")]
)
def test_a_study_of_own_data_is_called_after_it_without_the_suffix(path: str, name: str) -> None:
    assert default_study_name(dataset=path, space="cnn") == name
