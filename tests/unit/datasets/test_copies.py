"""Pictures that are there twice are counted: under two classes, within one, and in the training and the test part."""

import time
from pathlib import Path

import numpy as np
import pytest
from dataset_files import draw_images, write_picture

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.division.copies import count_copies, count_leaks
from tuner.datasets.test_set import load_test_set

IMAGES = draw_images(20)
CLASSES = ["cat", "dog"] * 10


def write_folder(folder: Path, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], *, part: str = "") -> Path:
    for index, image in enumerate(images):
        write_picture(folder / part / CLASSES[index] / f"{index:02}.png", image)
    return folder


def test_a_picture_under_two_classes_is_named_by_its_files(tmp_path: Path) -> None:
    images = IMAGES.copy()
    images[5] = images[2]

    (warning,) = open_dataset(str(write_folder(tmp_path, images)), data_dir=tmp_path).read_training_part().warnings

    assert warning == (
        "2 of 20 pictures are equal to one of another class, such as cat/02.png ('cat') and dog/05.png ('dog'): "
        "correct their classes, or leave them out."
    )


def test_copies_within_a_class_are_counted(tmp_path: Path) -> None:
    images = IMAGES.copy()
    images[[4, 6]] = images[2]
    np.savez(tmp_path / "own.npz", x_train=images / 255, y_train=CLASSES)

    (warning,) = open_dataset(str(tmp_path / "own.npz"), data_dir=tmp_path).read_training_part().warnings

    assert warning.startswith("2 of 20 pictures are copies of others of their class: scores are too high")


def test_pictures_of_one_colour_are_no_copies(tmp_path: Path) -> None:
    images = IMAGES.copy()
    images[[4, 5, 6]] = 0
    np.savez(tmp_path / "own.npz", x_train=images, y_train=CLASSES)

    (warning,) = open_dataset(str(tmp_path / "own.npz"), data_dir=tmp_path).read_training_part().warnings

    assert "3 of 20 pictures are of a single colour" in warning


def test_test_pictures_that_were_trained_on_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tested = draw_images(10, seed=1)
    tested[4], tested[7] = IMAGES[0], IMAGES[2]
    write_folder(write_folder(tmp_path, IMAGES, part="train"), tested, part="test")

    load_test_set(str(tmp_path), data_dir=tmp_path)

    (record,) = caplog.records
    assert (
        "test part: 2 of its 10 pictures are in the training part as well, 1 of them under another class; the first is "
        "test/cat/04.png. " in record.getMessage()
    )


def test_equal_pictures_are_found_whatever_type_they_are_stored_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x_train=IMAGES.astype(np.float32), y_train=CLASSES, x_test=IMAGES[:3], y_test=CLASSES[:3])

    load_test_set(str(path), data_dir=path)

    assert "3 of its 3 pictures are in the training part as well; the first is image 0 (counted from 0)" in caplog.text


def test_mnist_has_neither_copies_nor_leaks_and_is_looked_through_in_a_second(data_dir: Path) -> None:
    train = open_dataset("mnist", data_dir=data_dir).load_train()
    test = load_test_set("mnist", data_dir=data_dir)
    started = time.process_time()

    copies = count_copies(train.images, train.labels, train.class_names, place_of=str)
    leaks = count_leaks((train.images, train.labels), (test.images, test.labels), place_of=str)

    assert (copies, leaks) == ([], [])
    assert time.process_time() - started < 1
