"""Arrays that are not read as they are: the error says what would make them so, and nothing that would spoil them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import Load, draw_images
from numpy.typing import NDArray

from tuner.datasets.formats.labels import doubts_about
from tuner.datasets.reading import UnreadableDataError
from tuner.datasets.test_set import load_test_set
from tuner.errors import TunerError

GREY = draw_images(20, height=8, width=8)
COLOURS = np.stack([GREY, GREY[::-1], GREY // 2], axis=-1)
LABELS = np.arange(20) % 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own.npz"


@pytest.mark.parametrize(
    ("images", "advice"),
    [
        pytest.param(np.moveaxis(COLOURS, 3, 1), r"`numpy\.moveaxis\(images, 1, 3\)`", id="channels second"),
        pytest.param(GREY[:, np.newaxis], r"`numpy\.moveaxis\(images, 1, 3\)`", id="grey channel second"),
        pytest.param(np.moveaxis(COLOURS, 0, 3), r"`numpy\.moveaxis\(images, 3, 0\)`", id="images last"),
        pytest.param(COLOURS.reshape(20, -1), r"`images\.reshape\(len\(images\), height, width\)`", id="rows"),
        pytest.param(np.concatenate([COLOURS, COLOURS[..., :1]], axis=3), "opacity, leave it out", id="RGBA"),
        pytest.param(LABELS, "check whether images and labels have changed places", id="labels"),
        pytest.param(GREY[:0], "It holds no images", id="nothing"),
    ],
)
def test_images_of_another_shape_come_with_what_mends_them(
    path: Path, load_train: Load, images: NDArray[Any], advice: str
) -> None:
    np.savez(path, x_train=images, y_train=LABELS)

    with pytest.raises(UnreadableDataError, match=rf"x_train: images have the shape .*{advice}"):
        load_train(path)


@pytest.mark.parametrize(
    ("labels", "advice"),
    [
        pytest.param(np.eye(2)[LABELS], r"`labels\.argmax\(axis=1\)` of this one-hot array", id="one-hot"),
        pytest.param(
            [[1, 1], [0, 1]] * 10, r"Row 0 \(counted from 0\) has 2 classes: give each image one", id="several"
        ),
        pytest.param([[1, 0], [0, 0]] * 10, r"Row 1 \(counted from 0\) has 0 classes", id="none"),
        pytest.param(LABELS[np.newaxis], r"`labels\.ravel\(\)`", id="a row"),
        pytest.param(GREY, "check whether images and labels have changed places", id="images"),
    ],
)
def test_labels_of_another_shape_come_with_what_mends_them(
    path: Path, load_train: Load, labels: Any, advice: str
) -> None:
    np.savez(path, x_train=GREY, y_train=np.asarray(labels))

    with pytest.raises(UnreadableDataError, match=f"y_train: labels have the shape .*{advice}"):
        load_train(path)


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (("X_train", "Y_train"), "Rename X_train to x_train"),
        (("x_train", "Y_train"), "Rename Y_train to y_train"),
        (("train_images", "train_labels"), "Rename train_images to x_train"),
        (("x_train", "train_labels"), "Rename train_labels to y_train"),
        (("images", "labels"), "Rename images to x_train"),
        (("x_train", "label"), "Rename label to y_train"),
        (("x", "y"), "Rename x to x_train"),
        (("arr_0", "arr_1"), r"Write the file with `numpy\.savez_compressed"),
    ],
)
def test_arrays_of_other_names_come_with_their_right_ones(
    path: Path, load_train: Load, names: tuple[str, str], advice: str
) -> None:
    np.savez(path, **{names[0]: GREY, names[1]: LABELS})  # type: ignore[arg-type]

    with pytest.raises(UnreadableDataError, match=advice):
        load_train(path)


def test_a_test_part_in_capitals_is_not_passed_over(path: Path, load_train: Load) -> None:
    np.savez(path, x_train=GREY, y_train=LABELS, X_test=GREY[:4], Y_test=LABELS[:4])

    with pytest.raises(UnreadableDataError, match=r"holds X_test, Y_test, expected x_test and y_test.* rename"):
        load_train(path)


def test_labels_that_are_objects_come_with_what_makes_them_text(path: Path, load_train: Load) -> None:
    np.savez(path, x_train=GREY, y_train=np.array(["cat", "dog"] * 10, object))

    with pytest.raises(UnreadableDataError, match=r"y_train\.npy holds Python objects.*`labels\.astype\(str\)`"):
        load_train(path)


def test_an_archive_may_be_spelt_in_capitals(tmp_path: Path, load_train: Load) -> None:
    np.savez(tmp_path / "own.npz", x_train=GREY, y_train=LABELS)
    (tmp_path / "own.npz").rename(tmp_path / "OWN.NPZ")

    assert len(load_train(tmp_path / "OWN.NPZ")) == 16


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        pytest.param(COLOURS, LABELS, "test part: images have the shape .*Store both parts in grey, or", id="colours"),
        pytest.param(GREY[:, 1:, 1:], LABELS, r"test part: images have .*set `data\.resize`", id="size"),
        pytest.param(GREY, LABELS + 5, "test part: received the label 5, 6, expected", id="classes"),
        pytest.param(GREY, LABELS[:9], "test part: 20 images and 9 labels, expected one label", id="count"),
        pytest.param(GREY[:0], LABELS[:0], "x_test: images have the shape .*It holds no images", id="nothing"),
    ],
)
def test_a_fault_of_the_test_part_is_told_as_one(
    path: Path, images: NDArray[Any], labels: NDArray[Any], message: str
) -> None:
    np.savez(path, x_train=GREY, y_train=LABELS, x_test=images, y_test=labels)

    with pytest.raises(TunerError, match=message):
        load_test_set(str(path), data_dir=path)


@pytest.mark.parametrize("odd", ["cat ", "cat\n", "cat\u200b", "c\tat"])
def test_a_label_with_what_cannot_be_seen_is_quoted_in_one_line(path: Path, odd: str) -> None:
    np.savez(path, x_train=GREY, y_train=["cat", "dog"] * 10, x_test=GREY[:2], y_test=[odd, "dog"])

    with pytest.raises(TunerError) as caught:
        load_test_set(str(path), data_dir=path)

    assert f"received the label {odd!a}, expected one of the classes cat, dog" in str(caught.value)


@pytest.mark.parametrize("name", ["cat\n", "a\nb", "cat\u200b", "\u202ecat", "\ufeffcat"])
def test_a_name_with_what_cannot_be_seen_is_remarked_on(name: str) -> None:
    (doubt,) = doubts_about((name, "dog"))

    assert doubt.startswith(f"The name of the class {name!a} has characters that cannot be seen")


def test_names_that_look_alike_are_remarked_on() -> None:
    alike, unseen = doubts_about(("cat", "cat\u200b"))

    assert "'cat'" in alike
    assert "differ by" in alike
    assert "cannot be seen" in unseen


def test_folders_of_pictures_and_masks_are_remarked_on() -> None:
    (doubt,) = doubts_about(("images", "masks"))

    assert "as folders of pictures and of their masks" in doubt
    assert doubts_about(("images", "cat")) == []


@pytest.mark.parametrize("name", ["\u0646\u200c\u0646", "👩\u200d🔬", "don't", "n°1"])
def test_names_of_every_script_are_not_remarked_on(name: str) -> None:
    assert doubts_about((name, "dog")) == []
