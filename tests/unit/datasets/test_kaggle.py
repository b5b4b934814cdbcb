from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import Load, draw_images, write_csv
from numpy.typing import NDArray

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import ImageFormat
from tuner.datasets.pixels.decision import PixelSettings
from tuner.datasets.published.kaggle import read_unlabelled_csv
from tuner.datasets.reading import UnreadableDataError

PIXELS = draw_images(50, height=28, width=28).reshape(50, 784)
STEPS = np.rint(draw_images(20, height=8, width=8) / 255 * 16)
STEPS[:, 3, 3] = 16
BYTES = np.rint(STEPS / 16 * 255).astype(np.uint8)
STEPS = STEPS.astype(np.uint8)
GREY = ImageFormat(height=28, width=28, channels=1, class_names=tuple("0123456789"))


def test_the_training_file_is_read_and_a_fifth_of_it_held_out(tmp_path: Path, load_train: Load) -> None:
    write_csv(tmp_path / "kaggle-digits" / "train.csv", PIXELS, [*range(10)] * 5)

    data = load_train("kaggle-digits")

    assert data.image_format == GREY
    assert np.bincount(data.labels).tolist() == [4] * 10


def test_without_the_file_the_error_says_where_to_get_it_and_where_to_put_it(tmp_path: Path, load_train: Load) -> None:
    message = rf"{tmp_path}/kaggle-digits: train\.csv is missing\. .*kaggle\.com/.*folder kaggle-digits of TUNER_DATA"
    with pytest.raises(UnreadableDataError, match=message):
        load_train("kaggle-digits")


def test_a_missing_pixel_column_is_named(tmp_path: Path, load_train: Load) -> None:
    names = ["label", *(f"pixel{number}" for number in range(784) if number != 400)]
    write_csv(tmp_path / "kaggle-digits" / "train.csv", PIXELS[:, 1:], [*range(10)] * 5, names=names)

    with pytest.raises(UnreadableDataError, match="the column pixel400 is missing"):
        load_train("kaggle-digits")


def test_images_to_predict_keep_their_order(tmp_path: Path) -> None:
    names = [f"pixel{number}" for number in range(784)]
    write_csv(tmp_path / "test.csv", PIXELS[:, 1:], PIXELS[:, 0].tolist(), names=names)

    images = read_unlabelled_csv(tmp_path / "test.csv", image_format=GREY)

    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, PIXELS.reshape(50, 28, 28, 1))


@pytest.mark.parametrize(
    ("trained_on", "submitted"),
    [
        pytest.param(BYTES, BYTES, id="bytes"),
        pytest.param(STEPS, STEPS, id="0 to 16 as in training"),
        pytest.param(STEPS, BYTES, id="0 to 16 in training alone"),
        pytest.param(STEPS / 16, BYTES, id="floats in training"),
        pytest.param(STEPS / 16, STEPS / 16, id="floats"),
        pytest.param(STEPS / 16, STEPS / 16 * 1.0000001, id="floats a hair above"),
        pytest.param(255 - BYTES, 255 - BYTES, id="dark on light"),
    ],
)
def test_images_to_predict_are_read_as_training_was(
    tmp_path: Path, trained_on: NDArray[Any], submitted: NDArray[Any]
) -> None:
    np.savez(tmp_path / "own.npz", x_train=trained_on, y_train=["a", "b"] * 10)
    pixels = open_dataset(str(tmp_path / "own.npz"), data_dir=tmp_path).read_training_part().pixels
    flat = submitted.reshape(20, 64)
    write_csv(tmp_path / "t.csv", flat[:, 1:], flat[:, 0].tolist(), names=[f"pixel{number}" for number in range(64)])
    image_format = ImageFormat(height=8, width=8, channels=1, class_names=("a", "b"))

    images = read_unlabelled_csv(tmp_path / "t.csv", image_format=image_format, pixels=pixels)

    np.testing.assert_array_equal(images[..., 0], BYTES)


def test_floats_for_a_bundle_of_the_first_version_are_refused(tmp_path: Path) -> None:
    stored = PIXELS / 255
    names = [f"pixel{number}" for number in range(784)]
    write_csv(tmp_path / "test.csv", stored[:, 1:], stored[:, 0].tolist(), names=names)

    with pytest.raises(UnreadableDataError, match="go from 0 to 1, expected whole numbers from 0 to 255"):
        read_unlabelled_csv(tmp_path / "test.csv", image_format=GREY)


def test_floats_to_predict_by_a_model_of_bytes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x_train=BYTES, y_train=["a", "b"] * 10)
    pixels = open_dataset(str(tmp_path / "own.npz"), data_dir=tmp_path).read_training_part().pixels
    flat = STEPS.reshape(20, 64) / 16
    write_csv(tmp_path / "t.csv", flat[:, 1:], flat[:, 0].tolist(), names=[f"pixel{number}" for number in range(64)])
    image_format = ImageFormat(height=8, width=8, channels=1, class_names=("a", "b"))

    with pytest.raises(UnreadableDataError, match=r"spread over 0\.39% of the range 0 to 255"):
        read_unlabelled_csv(tmp_path / "t.csv", image_format=image_format, pixels=pixels)


def test_images_to_predict_of_another_range_are_refused(tmp_path: Path) -> None:
    pixels = open_dataset("digits", data_dir=tmp_path, pixels=PixelSettings(range=(0, 255))).read_training_part().pixels
    write_csv(tmp_path / "t.csv", np.ones((3, 63), int), [0, 0, 1], names=[f"pixel{number}" for number in range(64)])
    image_format = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))

    with pytest.raises(UnreadableDataError, match=r"spread over 0\.39%"):
        read_unlabelled_csv(tmp_path / "t.csv", image_format=image_format, pixels=pixels)


@pytest.mark.parametrize(
    ("names", "image_format", "message"),
    [
        (["label", *(f"pixel{n}" for n in range(783))], GREY, "has a column label, expected pixels only"),
        ([f"pixel{n}" for n in range(784)], ImageFormat(height=28, width=28, channels=3, class_names=()), "RGB"),
        (
            [f"p{n}" for n in range(784)],
            ImageFormat(height=8, width=8, channels=1, class_names=()),
            "784 .* expected 64",
        ),
    ],
)
def test_a_file_that_does_not_suit_the_model_is_refused(
    tmp_path: Path, names: list[str], image_format: ImageFormat, message: str
) -> None:
    write_csv(tmp_path / "test.csv", PIXELS[:, 1:], PIXELS[:, 0].tolist(), names=names)

    with pytest.raises(UnreadableDataError, match=message):
        read_unlabelled_csv(tmp_path / "test.csv", image_format=image_format)


def test_pixels_of_a_file_to_predict_may_count_from_1_as_those_of_training(tmp_path: Path) -> None:
    names = [f"pixel{number}" for number in range(1, 785)]
    path = tmp_path / "test.csv"
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in PIXELS[:3].tolist())]) + "\n")

    images = read_unlabelled_csv(path, image_format=GREY)

    np.testing.assert_array_equal(images.reshape(3, 784), PIXELS[:3])
