"""How pictures of another shape get the size of a study's images: stretched, cropped or padded, in every part."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import write_picture
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import ImageFormat
from tuner.datasets.pictures.predicted import read_image
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.pixels.scaling import scale_picture
from tuner.datasets.reading import ReadingSettings, ResizeHow
from tuner.datasets.test_set import load_test_set

HOWS: tuple[ResizeHow, ...] = ("stretch", "crop", "pad")
SIZE = (20, 20)


def wide(seed: int = 0) -> NDArray[np.uint8]:
    """A red border around colours: 40 pixels high and 80 wide."""
    pixels = np.full((40, 80, 3), (200, 0, 0), np.uint8)
    pixels[4:-4, 4:-4] = np.random.default_rng(seed).integers(0, 256, (3,))
    return pixels


def test_a_picture_is_stretched_cropped_or_padded_as_pillow_does() -> None:
    picture = Image.fromarray(wide())

    stretched, cropped, padded = (np.asarray(scale_picture(picture, SIZE, how)).astype(int) for how in HOWS)

    lanczos = Image.Resampling.LANCZOS
    np.testing.assert_array_equal(stretched, np.asarray(picture.resize((20, 20), lanczos)))
    np.testing.assert_array_equal(cropped, np.asarray(ImageOps.fit(picture, (20, 20), lanczos)))
    red = ImageOps.pad(picture, (20, 20), lanczos, color=(200, 0, 0))
    assert np.abs(padded - np.asarray(red)).max() <= 8


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "I;16", "F"])
@pytest.mark.parametrize("size", [(20, 20), (7, 90), (1, 1)])
def test_every_kind_of_picture_gets_the_size(how: ResizeHow, mode: str, size: tuple[int, int]) -> None:
    grey = Image.fromarray(wide()).convert("L")
    picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 200) if mode == "I;16" else grey.convert(mode)

    scaled = scale_picture(picture, size, how)

    assert (scaled.mode, scaled.height, scaled.width) == (mode, *size)


def test_padding_is_transparent_where_the_border_is() -> None:
    pixels = np.zeros((40, 80, 4), np.uint8)
    pixels[10:30, 10:70] = (10, 20, 30, 255)

    padded = np.asarray(scale_picture(Image.fromarray(pixels), SIZE, "pad"))

    assert not padded[:5, :, 3].any()
    assert not padded[-5:, :, 3].any()


@pytest.mark.parametrize("how", HOWS)
def test_training_test_and_prediction_get_their_size_alike(tmp_path: Path, how: ResizeHow) -> None:
    for index in range(12):
        pixels: Any = wide(index) if index % 3 else wide(index)[:, :50]
        write_picture(tmp_path / "own" / "train" / "ab"[index % 2] / f"{index:02}.png", pixels)
        write_picture(tmp_path / "own" / "test" / "ab"[index % 2] / f"{index:02}.png", pixels)
    reading = ReadingSettings(resize=SIZE, resize_how=how)

    part = open_dataset(str(tmp_path / "own"), data_dir=tmp_path, reading=reading).read_training_part()
    stored = PixelMeaning.from_json(part.pixels.to_json())
    test = load_test_set(str(tmp_path / "own"), data_dir=tmp_path, reading=reading, pixels=stored)
    image_format = ImageFormat(height=20, width=20, channels=3, class_names=("apple", "bear"))
    paths = sorted((tmp_path / "own" / "train").rglob("*.png"))
    predicted = [read_image(path, image_format=image_format, pixels=stored) for path in paths]

    assert stored.resize_how == how
    told = {"stretch": "not inverted", "crop": "not inverted, other shapes cropped", "pad": "other shapes padded"}
    assert part.pixels.describe().endswith(told[how])
    np.testing.assert_array_equal(part.images.images, test.images)
    np.testing.assert_array_equal(part.images.images, np.stack(predicted))


def test_a_meaning_of_an_earlier_version_stretches() -> None:
    stored = {
        "range": [0, 255], "found": [0, 255], "bits": 8, "channels": 1, "background": None, "polarity": None,
        "inverted": False, "stored_size": None, "any_size": True,
    }  # fmt: skip

    assert PixelMeaning.from_json(stored).resize_how == "stretch"
