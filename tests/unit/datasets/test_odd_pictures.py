"""Each kind of picture is read as Pillow shows it, which is what the files' own viewers show."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import Load
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.pictures.file import picture_layout, read_picture
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.reading import UnreadableDataError
from tuner.datasets.test_set import load_test_set

#: Smooth in three colours, as photographs are: formats that lose something keep it.
COLOURS = np.stack(
    [
        np.add.outer(np.arange(24) * 4, np.arange(32) * 4),
        np.add.outer(np.arange(24), 200 - np.arange(32) * 3),
        np.full((24, 32), 90),
    ],
    axis=-1,
).astype(np.uint8)
GREY = COLOURS[:, :, 0]
DEEP = GREY.astype(np.uint16) * 257
OPACITY = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (24, 1))

Save = Callable[[Path], None]


def picture(mode: str, suffix: str, *, name: str = "", **options: Any) -> Any:
    """A parameter: the picture in that mode, saved as a file of that suffix."""

    def save(path: Path) -> None:
        Image.fromarray(COLOURS).convert(mode).save(path, **options)

    return pytest.param(save, suffix, id=name or f"{mode} {suffix}")


def translucent(mode: str, suffix: str, **options: Any) -> Any:
    def save(path: Path) -> None:
        image = Image.fromarray(np.dstack([COLOURS, OPACITY]))
        image.convert(mode).save(path, **options)

    return pytest.param(save, suffix, id=f"{mode} {suffix}")


def save_transparent_palette(path: Path) -> None:
    image = Image.fromarray(COLOURS).quantize(16)
    image.save(path, transparency=bytes([0, 128, *[255] * 14]))


def save_ycck(path: Path) -> None:
    """Pillow writes CMYK alone; the marker of Adobe says which of both a file is."""
    Image.fromarray(COLOURS).convert("CMYK").save(path, "JPEG")
    content = path.read_bytes()
    place = content.index(b"Adobe") + 11
    path.write_bytes(content[:place] + b"\2" + content[place + 1 :])


def save_turned_tiff(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOURS).save(path, exif=exif)


def save_animation(path: Path) -> None:
    frames = [Image.fromarray(COLOURS), Image.fromarray(255 - COLOURS)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)


def save_lab(path: Path) -> None:
    Image.frombytes("LAB", (32, 24), COLOURS.tobytes()).save(path)


def save_as_webp(path: Path) -> None:
    Image.fromarray(COLOURS).save(path, "WEBP")


def shown(path: Path) -> NDArray[np.uint8]:
    """Pillow's own view on white: uint8, shape (height, width, 3)."""
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened)
        if not upright.has_transparency_data:
            return np.asarray(upright.convert("RGB"))
        white = Image.new("RGBA", upright.size, "white")
        return np.asarray(Image.alpha_composite(white, upright.convert("RGBA")).convert("RGB"))


ON_WHITE = PixelMeaning(
    range=(0.0, 255.0), found=(0.0, 255.0), bits=8, channels=3, background="white", polarity=None, inverted=False,
    stored_size=None, any_size=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("save", "suffix"),
    [
        *(picture(mode, "png") for mode in ("RGB", "L", "P", "1")),
        *(picture(mode, "tif") for mode in ("RGB", "L", "P", "1", "CMYK", "YCbCr")),
        picture("RGB", "tiff", compression="tiff_lzw"),
        picture("1", "tiff", compression="group4"),
        picture("RGB", "tiff", compression="jpeg", name="JPEG in TIFF"),
        *(picture(mode, "jpg") for mode in ("RGB", "L", "CMYK")),
        *(picture(mode, "bmp") for mode in ("RGB", "L", "P", "1")),
        *(picture(mode, "gif") for mode in ("L", "P")),
        picture("RGB", "webp"),
        *(translucent(mode, "png") for mode in ("RGBA", "LA")),
        *(translucent(mode, "tif") for mode in ("RGBA", "LA")),
        translucent("RGBA", "webp", lossless=True),
        pytest.param(save_transparent_palette, "png", id="palette with transparency"),
        pytest.param(save_ycck, "jpg", id="YCCK jpg"),
        pytest.param(save_lab, "tif", id="LAB tif"),
        pytest.param(save_turned_tiff, "tif", id="turned tif"),
        pytest.param(save_turned_tiff, "webp", id="turned webp"),
        *(pytest.param(save_animation, suffix, id=f"animated {suffix}") for suffix in ("png", "apng", "gif", "webp")),
        pytest.param(save_animation, "tif", id="pages tif"),
        pytest.param(save_as_webp, "png", id="a png that is WebP inside"),
    ],
)  # fmt: skip
def test_a_picture_is_read_as_it_is_shown(tmp_path: Path, save: Save, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    save(path)

    levels = ON_WHITE.to_levels(read_picture(path, channels=3).to_images(), where=path)[0]

    expected = shown(path)
    assert picture_layout(path)[:2] == expected.shape[:2] == levels.shape[:2]
    assert np.abs(levels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bits_are_read_whole(tmp_path: Path, suffix: str, order: str) -> None:
    mode = {"<u2": "I;16", ">u2": "I;16B"}[order]
    image = Image.frombytes(mode, (32, 24), DEEP.astype(order).tobytes())
    image.save(tmp_path / f"a.{suffix}")

    read = read_picture(tmp_path / f"a.{suffix}", channels=1)

    assert read.bits == 16
    np.testing.assert_array_equal(read.values[:, :, 0], DEEP)


def write_floats(folder: Path, values: NDArray[np.float32]) -> None:
    for index in range(12):
        path = folder / "ab"[index % 2] / f"{index}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values * np.float32(1 - index / 100)).save(path)


def test_floats_of_a_folder_have_one_range(tmp_path: Path, load_train: Load) -> None:
    write_floats(tmp_path / "own", (GREY / 216).astype(np.float32))

    data = load_train(tmp_path / "own")

    assert data.image_format.shape == (24, 32, 1)
    assert int(data.images.max()) >= 250


def test_a_float_that_is_no_number_is_told(tmp_path: Path, load_train: Load) -> None:
    values = (GREY / 216).astype(np.float32)
    values[3, 4] = np.nan
    write_floats(tmp_path / "own", values)

    with pytest.raises(UnreadableDataError, match="a pixel is NaN"):
        load_train(tmp_path / "own")


def test_a_float_picture_does_not_say_its_range_to_a_model_of_bytes(tmp_path: Path) -> None:
    Image.fromarray((GREY / 216).astype(np.float32)).save(tmp_path / "a.tif")
    images = read_picture(tmp_path / "a.tif", channels=1).to_images()

    with pytest.raises(UnreadableDataError, match="holds floats, those of training are 8-bit pictures"):
        ON_WHITE.to_levels(images, where="a.tif")


def test_grey_and_colour_in_one_folder_are_told(tmp_path: Path) -> None:
    for index in range(12):
        path = tmp_path / "own" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(COLOURS if index == 3 else GREY).save(path)

    part = open_dataset(str(tmp_path / "own"), data_dir=tmp_path).read_training_part()

    assert part.images.image_format.channels == 3
    assert "11 of 12 pictures are stored in grey and 1 in colour: all are read alike." in part.warnings


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_pictures_whose_channels_are_equal_are_read_as_grey_but_for_studies_that_read_them_in_colour(
    tmp_path: Path, suffix: str
) -> None:
    for index in range(12):
        path = tmp_path / "own" / ("train", "test")[index % 4 == 3] / "ab"[index % 2] / f"{index}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(GREY + np.uint8(index)).save(path, **({"lossless": True} if suffix == "webp" else {}))
    place = str(tmp_path / "own")

    part = open_dataset(place, data_dir=tmp_path).read_training_part()
    stored = PixelMeaning.from_json(part.pixels_to_json())
    again = open_dataset(place, data_dir=tmp_path, pixels=stored).read_training_part()
    before = open_dataset(place, data_dir=tmp_path, pixels=replace(stored, channels=3)).read_training_part()
    tested = load_test_set(place, data_dir=tmp_path, pixels=stored)

    assert part.images.images[:, :, :, 0].tolist() == [
        (GREY + index).tolist() for index in (0, 10, 2, 4, 6, 8, 1, 5, 9)
    ]
    assert "with three equal channels: they are read as grey" in " ".join(part.warnings)
    assert again.images.content_hash() == part.images.content_hash()
    assert before.images.image_format.channels == 3
    assert tested.image_format.channels == 1
    assert tested.images[0, :, :, 0].tolist() == (GREY + 11).tolist()


def test_a_tiff_that_claims_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    def tag(number: int, value: int) -> bytes:
        return struct.pack("<HHII", number, 4, 1, value)

    tags = [tag(256, 60_000), tag(257, 60_000), tag(258, 8), tag(259, 1), tag(262, 1), tag(273, 200), tag(279, 100)]
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(tags) + bytes(200))

    with pytest.raises(UnreadableDataError, match=r"claims .* pixels"):
        picture_layout(tmp_path / "a.tif")
