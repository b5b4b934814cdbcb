"""Single pictures: what cameras and editors write into them, and what damage does."""

import io
import os
import random
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import Load, write_picture
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tuner.datasets.pictures.file import picture_layout, read_picture
from tuner.datasets.reading import UnreadableDataError

#: Stored lying on its side: 4 pixels high and 6 wide.
STORED = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


def tiff(value: bytes, *, kind: int = 3, n_values: int = 1, before: bytes = b"", n_tags: int = 1) -> bytes:
    """An EXIF block, its tags in big-endian order, with an orientation of that TIFF type."""
    tag = struct.pack(">HHI4s", 0x0112, kind, n_values, value.ljust(4, b"\0"))
    return b"MM" + struct.pack(">HIH", 42, 8, n_tags) + before + tag + bytes(4)


def text_tag(number: int) -> bytes:
    return struct.pack(">HHI4s", number, 2, 4, b"abc\0")


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def write_with_exif(path: Path, exif: bytes, **options: Any) -> None:
    Image.fromarray(STORED).save(path, exif=b"Exif\0\0" + exif, **options)


def upright_shape(path: Path) -> tuple[int, ...]:
    """Height and width, in which header and pixels must agree."""
    height, width, channels = picture_layout(path)
    assert read_picture(path, channels=channels).values.shape == (height, width, channels)
    return height, width


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, STORED), (2, STORED[:, ::-1]), (3, STORED[::-1, ::-1]), (4, STORED[::-1]), (5, STORED.T),
        (6, np.rot90(STORED, -1)), (7, STORED[::-1, ::-1].T), (8, np.rot90(STORED)),
    ],
)  # fmt: skip
def test_each_orientation_puts_a_picture_upright(tmp_path: Path, orientation: int, expected: NDArray[np.uint8]) -> None:
    write_with_exif(tmp_path / "a.png", tiff(struct.pack(">H", orientation)))

    np.testing.assert_array_equal(read_picture(tmp_path / "a.png", channels=1).values[:, :, 0], expected)
    assert upright_shape(tmp_path / "a.png") == expected.shape


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize(
    "exif",
    [
        pytest.param(tiff(b"6\0", kind=2, n_values=2), id="orientation as text"),
        pytest.param(tiff(struct.pack(">H", 9)), id="orientation 9"),
        pytest.param(tiff(struct.pack(">H", 0)), id="orientation 0"),
        pytest.param(tiff(struct.pack(">H", 65535)), id="orientation 65535"),
        pytest.param(tiff(struct.pack(">HH", 6, 6), n_values=2), id="two orientations"),
        pytest.param(tiff(struct.pack(">H", 6))[:14], id="cut within the tag"),
        pytest.param(b"MM\0\x2a\xff\xff\xff\xff", id="directory beyond the end"),
        pytest.param(b"no TIFF at all", id="no TIFF"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_damaged_orientation_leaves_the_picture_as_it_is_stored(tmp_path: Path, exif: bytes, suffix: str) -> None:
    write_with_exif(tmp_path / f"a.{suffix}", exif)

    assert upright_shape(tmp_path / f"a.{suffix}") == (4, 6)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_damage_in_other_tags_hides_no_orientation(tmp_path: Path, suffix: str) -> None:
    others = text_tag(0x0100) + text_tag(0x011A)  # width and resolution, as text
    write_with_exif(tmp_path / f"a.{suffix}", tiff(struct.pack(">H", 6), before=others, n_tags=9))

    assert upright_shape(tmp_path / f"a.{suffix}") == (6, 4)


def test_an_orientation_behind_a_pngs_pixels_counts(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.fromarray(STORED).save(content, "PNG")
    *_, head, end = content.getvalue().partition(b"\0\0\0\0IEND")
    late = png_chunk(b"eXIf", tiff(struct.pack(">H", 6)))
    (tmp_path / "a.png").write_bytes(content.getvalue()[: -len(head + end)] + late + head + end)

    assert upright_shape(tmp_path / "a.png") == (6, 4)


def test_orientations_in_xmp_and_in_imagemagicks_profile_count(tmp_path: Path) -> None:
    block = b"Exif\0\0" + tiff(struct.pack(">H", 6))
    texts = {
        "profile": ("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n"),
        "xmp": ("XML:com.adobe.xmp", '<rdf:Description tiff:Orientation="8"/>'),
        "damaged": ("Raw profile type exif", "\nexif\n 12\nno hexadecimal\n"),
    }
    for name, (key, text) in texts.items():
        info = PngInfo()
        info.add_itxt(key, text) if name == "xmp" else info.add_text(key, text)
        Image.fromarray(STORED).save(tmp_path / f"{name}.png", pnginfo=info)

    assert upright_shape(tmp_path / "profile.png") == (6, 4)
    assert upright_shape(tmp_path / "xmp.png") == (6, 4)
    assert upright_shape(tmp_path / "damaged.png") == (4, 6)


def test_a_resolution_stored_as_text_costs_no_folder(tmp_path: Path, load_train: Load) -> None:
    for index in range(12):
        write_picture(tmp_path / "own" / "ab"[index % 2] / f"{index}.jpg", STORED)
    # Width and resolution as text: what some phones write.
    exif = tiff(struct.pack(">H", 1), before=text_tag(0x011A) + text_tag(0x011B), n_tags=3)
    write_with_exif(tmp_path / "own" / "a" / "phone.jpg", exif)

    data = load_train(tmp_path / "own")

    assert len(data) == 13 - 3
    assert data.image_format.shape == (4, 6, 1)


@pytest.mark.parametrize("suffix", ["bmp", "gif", "webp", "jfif", "jpe"])
def test_other_formats_of_pictures_are_read(tmp_path: Path, load_train: Load, suffix: str) -> None:
    kind = {"jfif": "JPEG", "jpe": "JPEG"}.get(suffix)
    for index in range(12):
        path = tmp_path / "own" / "ab"[index % 2] / f"{index}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(STORED).save(path, kind)

    data = load_train(tmp_path / "own")

    assert len(data) == 12 - 2
    read = data.images[0].mean(axis=2)
    # Small grey pictures of which most are dark on light are inverted.
    assert min(np.abs(read - STORED).max(), np.abs(255 - read - STORED).max()) < 16


def test_of_an_animation_the_first_frame_is_read(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 6), level, np.uint8)) for level in (50, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])

    assert read_picture(tmp_path / "a.gif", channels=1).values.mean() == 50


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, load_train: Load) -> None:
    for index in range(12):
        write_picture(tmp_path / "own" / "ab"[index % 2] / f"{index}.png", STORED)
    os.mkfifo(tmp_path / "own" / "a" / "pipe.png")

    with pytest.raises(UnreadableDataError, match=r"a/pipe\.png is a pipe or a device, expected a file"):
        load_train(tmp_path / "own")


def test_pictures_of_64_megapixels_take_little_over_a_second_each(tmp_path: Path, load_train: Load) -> None:
    Image.new("RGB", (8192, 8192), (90, 200, 30)).save(tmp_path / "large.png", compress_level=1)
    for place in ("train/a/0", "train/a/1", "train/b/2", "train/b/3", "test/a/4"):
        (tmp_path / "own" / place).parent.mkdir(parents=True, exist_ok=True)
        os.link(tmp_path / "large.png", tmp_path / "own" / f"{place}.png")
    start = time.process_time()

    data = load_train(tmp_path / "own", resize=(28, 28))

    # 1.25 s each on a quiet machine is what is promised; other processes at work double it.
    assert time.process_time() - start < 4 * 2.5
    assert (data.images == (90, 200, 30)).all()


def test_whatever_is_changed_in_a_picture_header_and_pixels_agree_or_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    exif = b"Exif\0\0" + tiff(struct.pack(">H", 6), before=text_tag(0x010F), n_tags=2)
    originals = []
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        content = io.BytesIO()
        Image.fromarray(STORED).save(content, kind, **({} if kind in {"BMP", "GIF"} else {"exif": exif}))
        originals.append(content.getvalue())
    draw = random.Random(0)  # noqa: S311 - no secret

    for _ in range(1500):
        content = bytearray(draw.choice(originals))
        for _ in range(draw.choice([1, 1, 2, 4])):
            content[min(len(content) - 1, int(draw.expovariate(1 / 60)))] = draw.choice(
                [0, 1, 6, 9, 255, draw.randrange(256)]
            )
        path.write_bytes(content)
        try:
            height, width, channels = picture_layout(path)
            assert read_picture(path, channels=channels).values.shape == (height, width, channels)
        except UnreadableDataError as error:
            assert str(path) in str(error)  # noqa: PT017 - either outcome is right
