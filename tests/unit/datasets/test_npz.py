import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import Load, draw_images
from numpy.typing import NDArray

from tuner.datasets.formats.labels import TooFewClassesError
from tuner.datasets.images import LabelledImages
from tuner.datasets.reading import UnreadableDataError
from tuner.datasets.test_set import load_test_set

IMAGES = draw_images(20)
LABELS = np.array([3, 5] * 10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own.npz"


def load_all(path: Path, load_train: Load) -> LabelledImages:
    """The training images of an archive whose test part is beside the point."""
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("x_test.npy", "y_test.npy"):
            archive.writestr(name, b"opened by finals alone")
    return load_train(path)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        pytest.param(IMAGES, IMAGES, id="uint8"),
        pytest.param(IMAGES[..., np.newaxis], IMAGES, id="with a channel"),
        pytest.param(IMAGES.astype(np.int64), IMAGES, id="int64"),
        pytest.param(IMAGES / 255, IMAGES, id="floats in 0..1"),
        pytest.param(IMAGES.astype(np.float32), IMAGES, id="floats in 0..255"),
        pytest.param(IMAGES > 190, (IMAGES > 190) * 255, id="booleans"),
    ],
)
def test_grey_images_of_any_number_type_become_bytes(
    path: Path, load_train: Load, images: NDArray[Any], expected: NDArray[Any]
) -> None:
    np.savez(path, x_train=images, y_train=LABELS)

    data = load_all(path, load_train)

    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(data.images[..., 0], expected)


def test_colour_images_keep_their_three_channels(path: Path, load_train: Load) -> None:
    np.savez(path, x_train=np.repeat(IMAGES[..., np.newaxis], 3, axis=3), y_train=LABELS)

    assert load_all(path, load_train).image_format.shape == (6, 5, 3)


@pytest.mark.parametrize(
    ("labels", "class_names", "indices"),
    [
        pytest.param(LABELS, ("3", "5"), [0, 1], id="integers"),
        pytest.param(LABELS.astype(np.float32), ("3", "5"), [0, 1], id="whole floats"),
        pytest.param(LABELS[:, np.newaxis], ("3", "5"), [0, 1], id="a column"),
        pytest.param(np.array([10, 9] * 10), ("9", "10"), [1, 0], id="sorted as numbers"),
        pytest.param(np.array([-1, 1] * 10), ("-1", "1"), [0, 1], id="negative"),
        pytest.param(np.array(["い", "a"] * 10), ("a", "い"), [1, 0], id="text"),
    ],
)
def test_any_labels_become_indices_of_sorted_class_names(
    path: Path, load_train: Load, labels: NDArray[Any], class_names: tuple[str, ...], indices: list[int]
) -> None:
    np.savez(path, x_train=IMAGES, y_train=labels)

    data = load_all(path, load_train)

    assert data.class_names == class_names
    assert data.labels.tolist() == indices * 10


def test_its_own_test_part_is_loaded_by_the_test_set_alone(path: Path, load_train: Load) -> None:
    np.savez(path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:4], y_test=LABELS[:4])

    assert len(load_train(path)) == 20
    assert load_test_set(str(path), data_dir=path).labels.tolist() == [0, 1, 0, 1]


def test_a_test_label_unknown_in_training_is_refused(path: Path) -> None:
    np.savez(path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:1], y_test=[4])

    with pytest.raises(Exception, match="received the label 4, expected one of the classes 3, 5"):
        load_test_set(str(path), data_dir=path)


def test_test_images_of_another_size_are_refused(path: Path) -> None:
    np.savez(path, x_train=IMAGES, y_train=LABELS, x_test=draw_images(1, width=9), y_test=[3])

    with pytest.raises(UnreadableDataError, match=r"shape \(6, 9, 1\), expected \(6, 5, 1\) as in training"):
        load_test_set(str(path), data_dir=path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        pytest.param(
            {"x_train": IMAGES}, "0 arrays named 'y_train', expected one; it holds x_train.npy", id="no labels"
        ),
        pytest.param({"x_train": IMAGES, "y_train": np.eye(20)}, r"\(20, 20\), expected \(n,\)", id="one-hot"),
        pytest.param({"x_train": IMAGES, "y_train": LABELS + 0.5}, "expected whole numbers or text", id="fractions"),
        pytest.param({"x_train": IMAGES * 1.5, "y_train": LABELS}, "neither 0 to 1 nor 0 to 255", id="too bright"),
        pytest.param({"x_train": IMAGES - 0.5, "y_train": LABELS}, "pixel values go from -0.5", id="negative"),
        pytest.param({"x_train": IMAGES * np.nan, "y_train": LABELS}, "a pixel is NaN", id="NaN"),
        pytest.param({"x_train": IMAGES.astype(str), "y_train": LABELS}, "expected uint8 or floats", id="text"),
        pytest.param({"x_train": IMAGES.reshape(20, -1), "y_train": LABELS}, r"shape \(20, 30\)", id="flat"),
        pytest.param({"x_train": IMAGES[:0], "y_train": LABELS[:0]}, r"shape \(0, 6, 5, 1\)", id="no images"),
    ],
)
def test_arrays_of_another_kind_are_one_clear_line(
    path: Path, load_train: Load, arrays: dict[str, Any], message: str
) -> None:
    np.savez(path, **arrays)

    with pytest.raises(UnreadableDataError, match=message):
        load_train(path)


def test_one_class_only_is_refused(path: Path, load_train: Load) -> None:
    np.savez(path, x_train=IMAGES, y_train=np.zeros(20, np.int64))

    with pytest.raises(TooFewClassesError, match="received only the class '0', expected at least two"):
        load_train(path)


def test_pickles_are_never_opened(path: Path, load_train: Load) -> None:
    np.savez(path, x_train=IMAGES, y_train=np.array([{"a": 1}] * 20, dtype=object), allow_pickle=True)

    with pytest.raises(UnreadableDataError, match=r"y_train.npy holds Python objects \(a pickle\)"):
        load_train(path)


def test_an_archive_that_expands_out_of_all_proportion_is_refused(path: Path, load_train: Load) -> None:
    np.savez_compressed(path, x_train=np.zeros((40, 1000, 1000), np.uint8), y_train=np.arange(40))

    with pytest.raises(
        UnreadableDataError, match=r"expands \d+ bytes to 40000000, more than 100 times.*`numpy\.savez`"
    ):
        load_train(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((10**6, 10**4, 10**3), "declares 10000000000000 bytes, the archive says 600"),
        ((20, 6, 6), "declares 720 bytes, the archive says 600"),
    ],
)
def test_a_header_that_lies_about_the_size_is_refused(
    path: Path, load_train: Load, shape: tuple[int, ...], message: str
) -> None:
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", member.getvalue() + bytes(600))

    with pytest.raises(UnreadableDataError, match=message):
        load_train(path)


def test_a_header_that_is_no_literal_of_pythons_is_refused(path: Path, load_train: Load) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (20, 6, 6, }\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)

    with pytest.raises(UnreadableDataError, match="x_train cannot be decoded"):
        load_train(path)


def test_an_array_that_is_there_twice_is_refused(path: Path, load_train: Load) -> None:
    np.savez(path, x_train=IMAGES, y_train=LABELS)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("x_train.npy", b"another")

    with pytest.raises(UnreadableDataError, match="holds 2 arrays named 'x_train'"):
        load_train(path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 damaged"])
def test_a_file_that_is_no_archive_is_one_clear_line(path: Path, load_train: Load, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(UnreadableDataError, match=r"is no readable \.npz archive"):
        load_train(path)


def test_a_damaged_array_is_one_clear_line(path: Path, load_train: Load) -> None:
    np.savez_compressed(path, x_train=IMAGES, y_train=LABELS)
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)

    with pytest.raises(UnreadableDataError, match="x_train cannot be decoded"):
        load_train(path)


def test_a_test_part_without_images_is_refused(tmp_path: Path) -> None:
    images = draw_images(20)
    path = tmp_path / "data.npz"
    np.savez(path, x_train=images, y_train=[0, 1] * 10, x_test=images[:0], y_test=np.zeros(0, np.int64))

    with pytest.raises(UnreadableDataError, match=r"x_test: images have the shape \(0, 6, 5, 1\)"):
        load_test_set(str(path), data_dir=tmp_path)
