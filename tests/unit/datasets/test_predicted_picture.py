from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import ImageFormat
from tuner.datasets.pictures.predicted import read_image
from tuner.datasets.pixels.decision import PixelSettings
from tuner.datasets.pixels.polarity import are_dark_on_light
from tuner.datasets.pixels.scaling import scale_picture
from tuner.datasets.reading import ReadingSettings, UnreadableDataError
from tuner.datasets.test_set import load_test_set

DIGITS = ImageFormat(height=28, width=28, channels=1, class_names=tuple("0123456789"))
KANA = ImageFormat(height=28, width=28, channels=1, class_names=tuple("おきすつなはまやれを"))
GARMENTS = ImageFormat(height=28, width=28, channels=1, class_names=("Bag", "Coat"))
COLOUR = ImageFormat(height=20, width=30, channels=3, class_names=("a", "b"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picture.png"


def draw_stroke(*, paper: int = 235, ink: int = 40) -> NDArray[np.uint8]:
    """An upright stroke of 100 x 20 pixels near the corner of a sheet of 300 x 400."""
    sheet = np.full((300, 400), paper, np.uint8)
    sheet[20:120, 350:370] = ink
    return sheet


def boxed(pixels: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is bright."""
    rows, columns = np.nonzero(pixels[:, :, 0] > 100)
    return rows.min(), rows.max(), columns.min(), columns.max()


@pytest.mark.parametrize(("paper", "ink"), [(235, 40), (40, 235)], ids=["dark on light", "light on dark"])
def test_a_digit_is_cropped_and_centred_as_mnist_does(path: Path, paper: int, ink: int) -> None:
    Image.fromarray(draw_stroke(paper=paper, ink=ink)).save(path)

    pixels = read_image(path, image_format=DIGITS)

    assert pixels.shape == (28, 28, 1)
    assert pixels.dtype == np.uint8
    assert boxed(pixels) == (4, 23, 12, 15)
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_kana_fill_the_frame_as_in_their_dataset(path: Path) -> None:
    Image.fromarray(draw_stroke()).save(path)

    top, bottom, _, _ = boxed(read_image(path, image_format=KANA))

    assert (top, bottom) == (0, 27)


def test_pictures_of_things_are_scaled_and_not_cropped(path: Path) -> None:
    Image.fromarray(draw_stroke()).save(path)

    _, bottom, left, _ = boxed(read_image(path, image_format=GARMENTS))

    assert bottom < 14
    assert left > 20


@pytest.mark.parametrize("paper", [0, 255])
def test_a_bundle_of_the_first_version_turns_pictures_one_by_one(path: Path, paper: int, mnist: Path) -> None:
    original = load_test_set(str(mnist), data_dir=path.parent).images[7]
    Image.fromarray(original[:, :, 0] ^ np.uint8(paper)).save(path)

    np.testing.assert_array_equal(read_image(path, image_format=DIGITS), original)


def test_a_picture_of_the_right_size_is_taken_as_training_took_it(
    path: Path, mnist: Path, caplog: pytest.LogCaptureFixture
) -> None:
    original = load_test_set(str(mnist), data_dir=path.parent).images[7]
    pixels = open_dataset(str(mnist), data_dir=path.parent).read_training_part().pixels

    for negative in (0, 255):
        Image.fromarray(original[:, :, 0] ^ np.uint8(negative)).save(path)
        np.testing.assert_array_equal(read_image(path, image_format=DIGITS, pixels=pixels) ^ negative, original)

    assert "picture.png is dark on light and the training pictures are light on dark" in caplog.messages[0]
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(("paper", "ink"), [(235, 40), (40, 235)], ids=["dark on light", "light on dark"])
@pytest.mark.parametrize("is_inverted", [True, False])
def test_a_photographed_character_becomes_what_training_saw(
    path: Path, tmp_path: Path, paper: int, ink: int, *, is_inverted: bool
) -> None:
    sheets = np.full((20, 28, 28), 255, np.uint8)
    sheets[:, 5:23, 13:15] = np.arange(0, 100, 5)[:, np.newaxis, np.newaxis]
    np.savez(tmp_path / "own.npz", x_train=sheets, y_train=["a", "b"] * 10)
    settings = PixelSettings(invert=is_inverted)
    part = open_dataset(str(tmp_path / "own.npz"), data_dir=tmp_path, pixels=settings).read_training_part()
    Image.fromarray(draw_stroke(paper=paper, ink=ink)).save(path)

    fitted = read_image(path, image_format=part.images.image_format, pixels=part.pixels)

    np.testing.assert_allclose(boxed(fitted if is_inverted else 255 - fitted), (4, 23, 12, 15), atol=1)


def test_pictures_of_many_sizes_are_scaled_as_in_training_though_their_classes_are_characters(
    path: Path, tmp_path: Path
) -> None:
    for index in range(20):
        sheet = Image.fromarray(np.roll(draw_stroke(), 3 * index, axis=0)[:, index:])
        (tmp_path / "own" / str(index % 2)).mkdir(parents=True, exist_ok=True)
        sheet.save(tmp_path / "own" / str(index % 2) / f"{index}.png")
    dataset = open_dataset(str(tmp_path / "own"), data_dir=tmp_path, reading=ReadingSettings(resize=(28, 28)))
    part = dataset.read_training_part()
    Image.fromarray(draw_stroke()).save(path)

    pixels = read_image(path, image_format=part.images.image_format, pixels=part.pixels)

    assert part.pixels.inverted
    np.testing.assert_array_equal(
        pixels[:, :, 0], 255 - np.asarray(scale_picture(Image.fromarray(draw_stroke()), (28, 28)))
    )


def test_a_deep_picture_that_is_of_no_range_is_refused(path: Path, mnist: Path) -> None:
    pixels = open_dataset(str(mnist), data_dir=path.parent).read_training_part().pixels
    Image.fromarray(draw_stroke().astype(np.uint16) * 16).save(path)

    with pytest.raises(UnreadableDataError, match=r"16 bits is 3760, .*Save it with 8 bits"):
        read_image(path, image_format=DIGITS, pixels=pixels)


def test_enlarged_digits_on_paper_come_back_to_where_mnist_has_them(path: Path, mnist: Path) -> None:
    distances = []
    for original in load_test_set(str(mnist), data_dir=path.parent).images[:50, :, :, 0]:
        sheet = Image.new("L", (500, 400), 230)
        sheet.paste(Image.fromarray(230 - (original * 0.7).astype(np.uint8)).resize((200, 200)), (250, 30))
        sheet.save(path)
        fitted = read_image(path, image_format=DIGITS)[:, :, 0]
        distances.append(np.abs(fitted.astype(int) - original).mean() / original.mean())

    # 0.25 on average; half a pixel aside would be 0.5.
    assert np.mean(distances) < 0.33


def test_every_image_of_mnist_and_digits_is_light_on_dark_and_its_negative_is_not(mnist: Path, tmp_path: Path) -> None:
    for name in (str(mnist), "digits"):
        images = open_dataset(name, data_dir=tmp_path).load_train().images[:10_000]

        assert not are_dark_on_light(images).any()
        assert are_dark_on_light(255 - images).all()


def test_a_colour_picture_is_scaled_to_a_colour_format(path: Path) -> None:
    Image.new("RGB", (90, 90), (250, 10, 20)).save(path)

    pixels = read_image(path, image_format=COLOUR)

    assert pixels.shape == (20, 30, 3)
    assert pixels[10, 10].tolist() == [250, 10, 20]


def test_large_grey_pictures_stay_as_they_are(path: Path) -> None:
    Image.fromarray(draw_stroke()).save(path)
    image_format = ImageFormat(height=300, width=400, channels=1, class_names=("a", "b"))

    np.testing.assert_array_equal(read_image(path, image_format=image_format)[:, :, 0], draw_stroke())


def test_ink_on_a_transparent_ground_is_ink_on_paper(path: Path) -> None:
    ink = np.zeros((300, 400, 4), np.uint8)
    ink[20:120, 350:370] = (0, 0, 90, 255)
    Image.fromarray(ink).save(path)

    assert boxed(read_image(path, image_format=DIGITS)) == (4, 23, 12, 15)


def test_sixteen_bits_a_pixel_become_eight(path: Path) -> None:
    Image.fromarray(draw_stroke().astype(np.uint16) * 257).save(path)

    assert boxed(read_image(path, image_format=DIGITS)) == (4, 23, 12, 15)


@pytest.mark.parametrize("brightness", [0, 128, 255])
def test_an_empty_sheet_is_black_and_said(path: Path, caplog: pytest.LogCaptureFixture, brightness: int) -> None:
    Image.new("L", (50, 80), brightness).save(path)

    assert read_image(path, image_format=DIGITS).max() == 0
    assert "picture.png is of a single colour" in caplog.text


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"<svg/>"])
def test_a_file_that_is_no_picture_is_one_clear_line(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(UnreadableDataError, match=r"picture\.png: is no PNG, JPEG, TIFF, BMP, GIF or WebP picture"):
        read_image(path, image_format=DIGITS)


def test_a_missing_picture_is_one_clear_line(path: Path) -> None:
    with pytest.raises(UnreadableDataError, match="No such file"):
        read_image(path, image_format=DIGITS)
