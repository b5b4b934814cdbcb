import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from dataset_files import Load, draw_images, write_picture
from PIL import Image

from tuner.datasets.pictures.decoding import MixedSizesError
from tuner.datasets.reading import UnreadableDataError
from tuner.datasets.test_set import load_test_set

IMAGES = draw_images(10, height=9, width=7)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five grey PNG files of 9 x 7 pixels for each of the classes 10 and 9."""
    for index, pixels in enumerate(IMAGES):
        write_picture(tmp_path / "own" / ("10" if index < 5 else "9") / f"{index}.png", pixels)
    return tmp_path / "own"


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG that ends where its pixels begin."""
    header = b"IHDR" + struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    checked_header = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + checked_header + struct.pack(">I", 1000) + b"IDAT"


def test_folder_names_are_classes_sorted_as_numbers(folder: Path, load_train: Load) -> None:
    data = load_train(folder)

    assert data.class_names == ("9", "10")
    assert np.bincount(data.labels).tolist() == [4, 4]
    assert data.image_format.shape == (9, 7, 1)


def test_training_does_not_look_into_the_test_folder(folder: Path, load_train: Load) -> None:
    folder.rename(folder.parent / "train")
    (folder.parent / "test" / "9").mkdir(parents=True)
    (folder.parent / "test" / "9" / "broken.png").write_bytes(b"broken")

    data = load_train(folder.parent)

    np.testing.assert_array_equal(data.images[..., 0], IMAGES)


def test_test_pictures_take_classes_and_channels_from_training(folder: Path) -> None:
    folder.rename(folder.parent / "train")
    write_picture(folder.parent / "test" / "9" / "a.png", np.stack([IMAGES[0]] * 3, axis=-1))

    test = load_test_set(str(folder.parent), data_dir=folder)

    assert test.labels.tolist() == [0]
    np.testing.assert_array_equal(test.images[0, :, :, 0], IMAGES[0])


def test_one_colour_picture_makes_all_of_them_rgb(folder: Path, load_train: Load) -> None:
    write_picture(folder / "9" / "colour.png", np.stack([IMAGES[0], IMAGES[0], 255 - IMAGES[0]], axis=-1))

    assert load_train(folder).image_format.channels == 3


def test_jpeg_and_hidden_and_other_files_stand_side_by_side(folder: Path, load_train: Load) -> None:
    write_picture(folder / "9" / "photo.JPG", IMAGES[0])
    (folder / "9" / ".hidden.png").write_bytes(b"")
    (folder / "9" / "notes.txt").write_text("not a picture", encoding="utf-8")

    assert len(load_train(folder)) == 11 - 2


def test_pictures_of_mixed_sizes_need_a_size(folder: Path, load_train: Load) -> None:
    write_picture(folder / "9" / "large.png", draw_images(1, height=90, width=40)[0])

    with pytest.raises(MixedSizesError, match=r"2 different sizes \(9x7, 90x40.*data\.resize = \[28, 28\].*--resize"):
        load_train(folder)
    assert load_train(folder, resize=(12, 10)).image_format.shape == (12, 10, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"GIF89a", "bad.png is no PNG, JPEG, TIFF, BMP, GIF or WebP picture", id="another format"),
        pytest.param(b"", "bad.png is no PNG, JPEG, TIFF, BMP, GIF or WebP picture", id="empty"),
        pytest.param(png_that_claims(7, 9), "bad.png does not decode", id="truncated"),
        pytest.param(png_that_claims(100_000, 100_000), "claims more than 67,108,864 pixels", id="bomb"),
        pytest.param(png_that_claims(9000, 9000), "claims 9000 x 9000 pixels", id="too large"),
    ],
)
def test_a_picture_that_does_not_decode_is_named(folder: Path, load_train: Load, content: bytes, message: str) -> None:
    (folder / "9" / "bad.png").write_bytes(content)

    with pytest.raises(UnreadableDataError, match=message):
        load_train(folder, resize=(9, 7))


def test_all_broken_pictures_are_found_at_once(folder: Path, load_train: Load) -> None:
    for number in range(7):
        (folder / "9" / f"bad{number}.png").write_bytes(b"broken")

    with pytest.raises(UnreadableDataError, match="; and 2 more") as caught:
        load_train(folder)

    assert len(caught.value.problems) == 7


def test_a_class_without_pictures_is_named(folder: Path, load_train: Load) -> None:
    (folder / "8").mkdir()

    with pytest.raises(UnreadableDataError, match="no pictures for the class 8"):
        load_train(folder)


def test_pictures_stand_upright_whatever_their_orientation_says(folder: Path, load_train: Load) -> None:
    lying = Image.fromarray(np.rot90(IMAGES[0]))
    exif = lying.getexif()
    exif[0x0112] = 6
    lying.save(folder / "9" / "phone.jpg", exif=exif, quality=100)

    assert load_train(folder).image_format.shape == (9, 7, 1)


def test_dark_characters_on_light_paper_are_inverted_in_both_parts(folder: Path, load_train: Load) -> None:
    for index, pixels in enumerate(IMAGES):
        write_picture(folder / "paper" / "train" / str(index % 2) / f"{index}.png", 255 - pixels)
    write_picture(folder / "paper" / "test" / "0" / "0.png", 255 - IMAGES[0])

    train = load_train(folder / "paper")
    test = load_test_set(str(folder / "paper"), data_dir=folder)

    np.testing.assert_array_equal(train.images[..., 0], np.concatenate([IMAGES[::2], IMAGES[1::2]]))
    np.testing.assert_array_equal(test.images[0, :, :, 0], IMAGES[0])
