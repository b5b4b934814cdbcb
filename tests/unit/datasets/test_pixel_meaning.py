"""Equal pictures, stored in any way, are equal images; and every part is read as the training part is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import draw_images, png_of_deep_colours, write_csv, write_picture
from numpy.typing import NDArray

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.pictures.predicted import read_image
from tuner.datasets.pixels.decision import PixelSettings
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.reading import ReadingSettings, UnreadableDataError
from tuner.datasets.source import TrainingPart
from tuner.datasets.test_set import load_test_set

#: Steps of a range from 0 to 16, as of scikit-learn's digits: bright blots on black, shape (20, 8, 7).
WHOLE = np.rint(draw_images(20, height=8, width=7) / 255 * 16)
WHOLE[:, 3, 3] = 16
STEPS = WHOLE.astype(np.uint8)
EXPECTED = np.rint(STEPS / 16 * 255).astype(np.uint8)
#: 12 bits as floats.
DEEP = np.rint(WHOLE * 4095 / 16)
LABELS = ["no", "yes"] * 10


def other_images() -> NDArray[np.uint8]:
    """Twenty images of another draw, as bright as those of `EXPECTED`."""
    images = draw_images(20, height=8, width=7, seed=1)
    images[:, 3, 3] = 255
    return images


def read(path: Path, settings: PixelSettings | None = None) -> TrainingPart:
    return open_dataset(str(path), data_dir=path, pixels=settings).read_training_part()


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., Path]:
    """Write an archive with a test part: by default four of the training images."""

    def write(train: NDArray[Any], test: NDArray[Any] | None = None) -> Path:
        path = tmp_path / "own.npz"
        np.savez(path, x_train=train, y_train=LABELS, x_test=train[:4] if test is None else test, y_test=LABELS[:4])
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write pictures into class folders: the first 14 to train, the others to test."""

    def write(pictures: Any, names: list[str] | None = None) -> Path:
        for index, pixels in enumerate(pictures):
            part = "train" if index < 14 else "test"
            write_picture(tmp_path / "own" / part / (names or LABELS)[index] / f"{index:02}.png", pixels)
        return tmp_path / "own"

    return write


def in_order_of_files(images: NDArray[Any]) -> NDArray[Any]:
    """The first 14 images as a folder's training part has them, class by class."""
    return np.concatenate([images[:14:2], images[1:14:2]])


@pytest.mark.parametrize(
    ("stored", "n_warnings"),
    [
        pytest.param(EXPECTED, 0, id="full range"),
        pytest.param(STEPS, 1, id="uint8 to 16"),
        pytest.param(STEPS.astype(np.float64), 1, id="floats to 16"),
        pytest.param(STEPS / 16, 0, id="floats to 1"),
        pytest.param((STEPS / 16).astype(np.float16), 0, id="float16"),
        pytest.param((STEPS / 16).astype(">f4"), 0, id="big-endian floats"),
        pytest.param(EXPECTED.astype(np.int64), 0, id="int64"),
        pytest.param(EXPECTED.astype(">u2"), 1, id="big-endian bytes in 16 bits"),
        pytest.param(EXPECTED.astype(np.uint16) * 257, 0, id="16 bits"),
        pytest.param(DEEP.astype(np.uint16), 1, id="12 bits in 16"),
    ],
)
def test_the_same_pictures_in_any_array_are_the_same_images(
    npz: Callable[..., Path], stored: NDArray[Any], n_warnings: int
) -> None:
    part = read(npz(stored))

    np.testing.assert_array_equal(part.images.images[..., 0], EXPECTED)
    assert len(part.warnings) == n_warnings


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.bool_])
def test_zeros_and_ones_are_black_and_white(npz: Callable[..., Path], dtype: type) -> None:
    part = read(npz((STEPS > 8).astype(dtype)))

    np.testing.assert_array_equal(part.images.images[..., 0], (STEPS > 8) * 255)


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(EXPECTED, id="8 bits"),
        pytest.param(STEPS, id="0 to 16"),
        pytest.param(EXPECTED.astype(np.uint16) * 257, id="16 bits"),
        pytest.param(DEEP.astype(np.uint16), id="12 bits in 16"),
        pytest.param(EXPECTED.astype(np.uint16), id="8 bits in 16"),
        pytest.param([x.astype(np.uint16) * 257 if i % 3 else x for i, x in enumerate(EXPECTED)], id="both depths"),
        pytest.param(255 - EXPECTED, id="dark on light"),
        pytest.param(np.stack([np.full_like(EXPECTED, 255), EXPECTED], axis=-1), id="white on transparent"),
        pytest.param(np.stack([np.zeros_like(EXPECTED), EXPECTED], axis=-1), id="black on transparent"),
    ],
)
@pytest.mark.parametrize("names", [LABELS, ["0", "1"] * 10], ids=["things", "characters"])
def test_the_same_pictures_in_any_file_are_the_same_images_in_training_test_and_prediction(
    folder: Callable[..., Path], stored: Any, names: list[str]
) -> None:
    path = folder(stored, names)

    part = read(path)
    test = load_test_set(str(path), data_dir=path, pixels=part.pixels)
    files = sorted((path / "test").glob("*/*.png"))
    predicted = [read_image(file, image_format=part.images.image_format, pixels=part.pixels) for file in files]

    np.testing.assert_array_equal(part.images.images[..., 0], in_order_of_files(EXPECTED))
    np.testing.assert_array_equal(test.images[..., 0], np.concatenate([EXPECTED[14::2], EXPECTED[15::2]]))
    np.testing.assert_array_equal(predicted, test.images)


@pytest.mark.parametrize("resize", [(5, 9), (16, 16)])
@pytest.mark.parametrize("depth", [255, 4095, 65535, 16])
def test_scaled_pictures_are_predicted_as_they_are_tested(
    folder: Callable[..., Path], resize: tuple[int, int], depth: int
) -> None:
    stored = np.rint((1 - STEPS / 16) * depth).astype(np.uint8 if depth < 256 else np.uint16)
    path = folder(stored, ["0", "1"] * 10)

    part = open_dataset(str(path), data_dir=path, reading=ReadingSettings(resize=resize)).read_training_part()
    test = load_test_set(str(path), data_dir=path, reading=ReadingSettings(resize=resize), pixels=part.pixels)
    files = sorted((path / "test").glob("*/*.png"))
    predicted = [read_image(file, image_format=part.images.image_format, pixels=part.pixels) for file in files]

    assert (part.pixels.range, part.pixels.inverted) == ((0, depth), True)
    np.testing.assert_array_equal(predicted, test.images)


def test_test_pictures_of_many_sizes_are_predicted_as_they_are_tested(folder: Callable[..., Path]) -> None:
    stored = [np.repeat(pixels, 1 + index % 3, axis=index % 2) for index, pixels in enumerate(255 - EXPECTED)]
    path = folder([*(255 - EXPECTED[:14]), *stored[14:]], ["0", "1"] * 10)

    part = open_dataset(str(path), data_dir=path, reading=ReadingSettings(resize=(9, 9))).read_training_part()
    test = load_test_set(str(path), data_dir=path, reading=ReadingSettings(resize=(9, 9)), pixels=part.pixels)
    files = sorted((path / "test").glob("*/*.png"))
    predicted = [read_image(file, image_format=part.images.image_format, pixels=part.pixels) for file in files]

    np.testing.assert_array_equal(predicted, test.images)


def test_lamps_and_holes_are_predicted_as_they_are_tested(folder: Callable[..., Path]) -> None:
    rows, columns = np.mgrid[:48, :48]
    disc = (rows - 24) ** 2 + (columns - 24) ** 2 < 100
    walls = np.random.default_rng(0).integers(90, 165, 20)
    pictures = np.broadcast_to(walls[:, np.newaxis, np.newaxis], (20, 48, 48)).astype(np.uint8)
    pictures = pictures + disc * np.where(np.arange(20) % 2, 80, -80).astype(np.uint8)[:, np.newaxis, np.newaxis]
    path = folder(pictures.astype(np.uint8), ["hole", "lamp"] * 10)

    part = read(path)
    test = load_test_set(str(path), data_dir=path, pixels=part.pixels)
    files = sorted((path / "test").glob("*/*.png"))
    predicted = [read_image(file, image_format=part.images.image_format, pixels=part.pixels) for file in files]

    np.testing.assert_array_equal(predicted, test.images)
    assert "50% of the pictures are dark on light" in part.warnings[0]


def test_one_pixel_a_hair_above_one_changes_no_other(npz: Callable[..., Path]) -> None:
    stored = STEPS / 16
    stored[0, 0, 0] = 1.0000001

    images = read(npz(stored)).images.images[..., 0]

    assert images[0, 0, 0] == 255
    np.testing.assert_array_equal(images.reshape(-1)[1:], EXPECTED.reshape(-1)[1:])


def test_the_test_part_is_read_by_the_training_parts_range(npz: Callable[..., Path]) -> None:
    path = npz(STEPS / 16, STEPS[:4] / 16 * 1.0000001)

    test = load_test_set(str(path), data_dir=path)

    np.testing.assert_array_equal(test.images[..., 0], EXPECTED[:4])


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        pytest.param(STEPS / 16, STEPS / 16 * 1.2, r"from 0 to 1\.2, expected 0 to 1 as in training", id="above 1"),
        pytest.param(STEPS / 16, EXPECTED, "from 0 to 255, expected 0 to 1 as in training", id="bytes"),
        pytest.param(EXPECTED, STEPS / 16, r"spread over 0\.39% of the range 0 to 255", id="floats"),
        pytest.param(EXPECTED, STEPS, r"spread over 6\.27% of the range 0 to 255", id="0 to 16"),
        pytest.param(STEPS, EXPECTED, "from 0 to 255, expected 0 to 16 as in training", id="wider"),
    ],
)
def test_a_test_part_of_another_range_is_refused(
    npz: Callable[..., Path], train: NDArray[Any], test: NDArray[Any], message: str
) -> None:
    path = npz(train, test[:4])

    with pytest.raises(UnreadableDataError, match=rf"test part.*{message}.*data\.range"):
        load_test_set(str(path), data_dir=path)


def test_a_test_part_that_is_the_negative_of_training_is_refused(npz: Callable[..., Path]) -> None:
    path = npz(EXPECTED, 255 - EXPECTED)
    with np.load(path) as arrays:
        np.savez(path, **dict(arrays) | {"y_test": LABELS})

    with pytest.raises(UnreadableDataError, match="test part's pictures are dark on light, those of training light on"):
        load_test_set(str(path), data_dir=path)


def test_a_range_that_a_person_gives_is_taken_and_clips(npz: Callable[..., Path]) -> None:
    path = npz(EXPECTED.astype(np.int16) - 100, 900 * WHOLE[:4])

    centred = read(path, PixelSettings(range=(-100, 155)))
    window = read(path, PixelSettings(range=(0, 100)))
    test = load_test_set(str(path), data_dir=path, pixels=window.pixels)

    np.testing.assert_array_equal(centred.images.images[..., 0], EXPECTED)
    assert centred.warnings == ()
    assert window.images.images.max() == 255
    assert "are outside of data.range = [0, 100], as they go from -100 to 155; they are clipped" in window.warnings[0]
    assert test.images.max() == 255


@pytest.mark.parametrize(
    ("trained_on", "pixel_range", "picture"),
    [
        pytest.param(STEPS, "auto", STEPS[14], id="0 to 16 as it is"),
        pytest.param(STEPS, "auto", EXPECTED[14], id="0 to 16 as bytes"),
        pytest.param(WHOLE / 16, "auto", EXPECTED[14], id="floats"),
        pytest.param(WHOLE / 8 - 1, (-1, 1), EXPECTED[14], id="-1 to 1"),
        pytest.param(DEEP, "auto", DEEP[14].astype(np.uint16), id="12 bits as they are"),
        pytest.param(DEEP, "auto", EXPECTED[14], id="12 bits as bytes"),
    ],
)
def test_pictures_are_predicted_as_the_arrays_that_they_show_were_trained_on(
    npz: Callable[..., Path], trained_on: Any, pixel_range: Any, picture: Any
) -> None:
    path = npz(trained_on)
    part = read(path, PixelSettings(range=pixel_range))
    write_picture(path.with_name("one.png"), picture)

    predicted = read_image(path.with_name("one.png"), image_format=part.images.image_format, pixels=part.pixels)

    np.testing.assert_array_equal(predicted[..., 0], EXPECTED[14])


def test_a_window_over_bytes_is_a_window_over_predicted_pictures(npz: Callable[..., Path]) -> None:
    path = npz(EXPECTED)
    part = read(path, PixelSettings(range=(100, 200)))
    write_picture(path.with_name("one.png"), EXPECTED[14])

    predicted = read_image(path.with_name("one.png"), image_format=part.images.image_format, pixels=part.pixels)

    np.testing.assert_array_equal(predicted, part.images.images[14])


def test_data_between_minus_one_and_one_needs_its_range_said(npz: Callable[..., Path]) -> None:
    path = npz(STEPS / 8 - 1.0)

    with pytest.raises(UnreadableDataError, match=r"`data\.range = \[-1, 1\]`"):
        read(path)
    np.testing.assert_array_equal(read(path, PixelSettings(range=(-1, 1))).images.images[..., 0], EXPECTED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda x: np.where(np.arange(20)[:, None, None] < 9, x * 255, x), "11 of 20 images have frac"),
        pytest.param(lambda x: np.where(np.arange(x.size).reshape(x.shape) == 0, 255, x), "20 of 20 images|19 of 20"),
        pytest.param(lambda x: np.where(np.arange(x.size).reshape(x.shape) == 30, np.nan, x), "a pixel is NaN"),
        pytest.param(lambda x: np.where(np.arange(x.size).reshape(x.shape) == 30, np.inf, x), "a pixel is infinite"),
    ],
    ids=["two ranges", "one bright pixel", "NaN", "infinity"],
)
def test_floats_that_cannot_be_one_range_are_an_error(
    npz: Callable[..., Path], change: Callable[[NDArray[Any]], NDArray[Any]], message: str
) -> None:
    with pytest.raises(UnreadableDataError, match=message):
        read(npz(change(STEPS / 16)))


def test_a_bright_pixel_among_bytes_of_a_narrow_range_is_an_error(npz: Callable[..., Path]) -> None:
    stored = STEPS.copy()
    stored[0, 0, 0] = 255

    with pytest.raises(UnreadableDataError, match=r"no brighter than 16 of 255 .*data\.range = \[0, 255\]"):
        read(npz(stored))


def test_pictures_of_one_colour_are_counted(npz: Callable[..., Path]) -> None:
    stored = EXPECTED.copy()
    stored[[4, 9]] = 0

    assert read(npz(stored)).warnings == (
        "2 of 20 pictures are of a single colour; the first is image 4 (counted from 0).",
    )


def test_dark_photographs_are_not_stretched(npz: Callable[..., Path]) -> None:
    stored = np.rint(STEPS / 16 * 180).astype(np.uint8)

    part = read(npz(stored))

    np.testing.assert_array_equal(part.images.images[..., 0], stored)
    assert part.warnings == ()


def test_tables_are_read_by_the_same_rule(tmp_path: Path) -> None:
    steps = STEPS[:, :7]
    write_csv(tmp_path / "train.csv", steps.reshape(20, 49), LABELS)
    write_csv(tmp_path / "test.csv", steps[:4].reshape(4, 49), LABELS[:4])

    part = read(tmp_path)

    np.testing.assert_array_equal(part.images.images[..., 0], EXPECTED[:, :7])
    assert "16 as white" in part.warnings[0]


def test_the_catalogues_digits_are_the_same_from_a_persons_own_file(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    known = open_dataset("digits", data_dir=tmp_path).load_train()
    np.savez(tmp_path / "own.npz", x_train=load_digits().images, y_train=load_digits().target)

    np.testing.assert_array_equal(read(tmp_path / "own.npz").images.images, known.images)


@pytest.mark.parametrize(
    ("invert", "expected"), [("auto", EXPECTED), (True, EXPECTED), (False, 255 - EXPECTED)], ids=["auto", "yes", "no"]
)
def test_dark_on_light_is_inverted_unless_a_person_says_no(
    npz: Callable[..., Path], invert: Any, expected: NDArray[Any]
) -> None:
    part = read(npz(255 - EXPECTED), PixelSettings(invert=invert))

    np.testing.assert_array_equal(part.images.images[..., 0], expected)
    assert [("100% of the pictures are dark on light: all are inverted" in text) for text in part.warnings] == (
        [True] if invert == "auto" else []
    )


@pytest.mark.parametrize(("n_dark", "inverted"), [(8, False), (12, True)])
def test_mixed_polarity_is_said(npz: Callable[..., Path], n_dark: int, *, inverted: bool) -> None:
    stored = EXPECTED.copy()
    stored[:n_dark] = 255 - stored[:n_dark]

    part = read(npz(stored))

    assert (part.pixels.polarity, part.pixels.inverted) == ("mixed", inverted)
    assert f"{n_dark / 20:.0%} of the pictures are dark on light, the others light on dark" in part.warnings[0]


def test_colours_of_16_bits_are_read_where_they_use_them(tmp_path: Path) -> None:
    for index, pixels in enumerate(EXPECTED):
        path = tmp_path / LABELS[index] / f"{index:02}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png_of_deep_colours(pixels.astype(np.uint16) * 257))

    assert read(tmp_path).images.images.max() == 255
    assert read(tmp_path, PixelSettings(range=(0, 65535))).images.images.max() == 255


def test_colours_of_16_bits_of_which_few_are_used_are_refused(tmp_path: Path) -> None:
    for index, pixels in enumerate(STEPS):
        path = tmp_path / LABELS[index] / f"{index:02}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png_of_deep_colours(pixels.astype(np.uint16) * 255))

    for pixel_range in ("auto", (0, 4095)):
        with pytest.raises(UnreadableDataError, match=r"20 pictures have colours of 16 bits.*Save them with 8 bits"):
            read(tmp_path, PixelSettings(range=pixel_range))  # type: ignore[arg-type]


def test_a_meaning_is_stored_as_json(folder: Callable[..., Path]) -> None:
    part = read(folder(np.stack([np.full_like(EXPECTED, 255), EXPECTED], axis=-1)))

    stored = json.loads(json.dumps(part.pixels_to_json()))

    assert PixelMeaning.from_json(stored) == part.pixels
    assert stored["background"] == "black"
    assert stored["warnings"] == list(part.warnings)
    assert part.pixels.describe() == (
        "0 is black and 255 white in pictures of 8 bits, grey, light on dark, not inverted, transparent parts on black"
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_masks_of_zeros_and_ones_among_bytes_are_an_error(npz: Callable[..., Path], dtype: type) -> None:
    stored = np.where(np.arange(20)[:, None, None] % 2, EXPECTED > 127, EXPECTED).astype(dtype)

    with pytest.raises(UnreadableDataError, match=r"10 of 20 images have the values 0 and 1 alone.*set `data\.range`"):
        read(npz(stored))
    assert len(read(npz(stored), PixelSettings(range=(0, 255))).images) == 20


def test_a_single_frame_of_zeros_and_ones_is_no_error(npz: Callable[..., Path]) -> None:
    stored = EXPECTED.copy()
    stored[3] = EXPECTED[3] > 127

    assert "1 of 20 picture" in read(npz(stored)).warnings[0]


@pytest.mark.parametrize("divisor", [16, 51])
def test_a_class_of_a_narrower_range_is_said(folder: Callable[..., Path], divisor: int) -> None:
    stored = np.where(np.arange(20)[:, None, None] % 2, EXPECTED // divisor, EXPECTED).astype(np.uint8)

    (said,) = read(folder(stored)).warnings

    assert f"class 'yes' (up to {255 // divisor}) are nearly black for models, those of others go up to 255" in said


def test_a_class_that_is_merely_darker_is_not_remarked_on(folder: Callable[..., Path]) -> None:
    stored = np.where(np.arange(20)[:, None, None] % 2, EXPECTED // 4, EXPECTED).astype(np.uint8)

    assert read(folder(stored)).warnings == ()


def test_a_picture_of_deep_colours_that_uses_few_of_its_bits_is_refused(tmp_path: Path) -> None:
    for index, pixels in enumerate(EXPECTED):
        path = tmp_path / LABELS[index] / f"{index:02}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png_of_deep_colours(pixels.astype(np.uint16) * (16 if index == 3 else 257)))

    with pytest.raises(
        UnreadableDataError, match=r"1 of 20 pictures have colours of 16 bits and use few.* `data\.range`"
    ):
        read(tmp_path)
    assert len(read(tmp_path, PixelSettings(range=(0, 255))).images) == 20 - 4


@pytest.mark.parametrize("pixel_range", [(0, 4095), (0, 65535)])
def test_a_given_range_that_makes_pictures_black_is_said(
    npz: Callable[..., Path], pixel_range: tuple[float, float]
) -> None:
    said, *_ = read(npz(EXPECTED), PixelSettings(range=pixel_range)).warnings

    assert f"data.range = [0, {pixel_range[1]}] is far wider than their values" in said


def test_a_bright_pixel_that_makes_all_others_dark_is_remarked_on(npz: Callable[..., Path]) -> None:
    images = EXPECTED // 4
    images[3, 0, 0] = 255

    (said,) = read(npz(images)).warnings

    assert said.startswith(
        "1 of 20 pictures goes up to 255 of 255 for models, all others to 63 at most; the brightest is"
    )
    assert "image 3 (counted from 0)" in said


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (EXPECTED.reshape(20, 1, 56), "The images are 1 pixels high and 56 wide: reshape them if these are rows of"),
        (
            np.repeat(EXPECTED.reshape(20, 56, 1), 3, axis=2),
            "The images are 56 pixels high and 3 wide: reshape them if these are colours.",
        ),
    ],
)
def test_rows_of_pixels_are_remarked_on(npz: Callable[..., Path], images: NDArray[np.uint8], said: str) -> None:
    assert read(npz(images)).warnings[0].startswith(said)


@pytest.mark.parametrize(("divisor", "n_said"), [(1, 0), (1.5, 0), (2.55, 1), (4, 1)])
def test_a_test_part_of_a_narrower_range_is_said(
    npz: Callable[..., Path], caplog: pytest.LogCaptureFixture, divisor: float, n_said: int
) -> None:
    path = npz(EXPECTED, other_images() / divisor)
    with np.load(path) as arrays:
        np.savez(path, **dict(arrays) | {"y_test": LABELS})

    load_test_set(str(path), data_dir=path)

    assert len(caplog.records) == n_said
    assert all("in files they go from 0 to" in record.getMessage() for record in caplog.records)


def test_deep_colours_that_use_few_of_their_bits_are_said_in_test_and_prediction(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for index, pixels in enumerate(EXPECTED):
        part, factor = ("train", 257) if index < 14 else ("test", 16 if index == 19 else 257)
        path = tmp_path / part / LABELS[index] / f"{index:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_of_deep_colours(pixels.astype(np.uint16) * factor))
    part_read = read(tmp_path)

    read_image(path, image_format=part_read.images.image_format, pixels=part_read.pixels)
    load_test_set(str(tmp_path), data_dir=tmp_path, pixels=part_read.pixels)

    assert "19.png has colours of 16 bits and uses few of the upper 8" in caplog.text
    assert "test part: 1 pictures have colours of 16 bits and use few of the upper 8" in caplog.text


@pytest.mark.parametrize(("factor", "n_said"), [(1 / 255, 1), (0, 0), (1 / 4, 0)])
def test_a_colour_of_another_range_is_said(npz: Callable[..., Path], factor: float, n_said: int) -> None:
    said = read(npz(np.stack([EXPECTED, EXPECTED, EXPECTED * factor], axis=-1))).warnings

    assert ["blue goes up to 1, other colours up to 255" in text for text in said] == [True] * n_said


@pytest.mark.parametrize(("n_dim", "n_said"), [(8, 1), (1, 0)])
def test_many_pictures_of_a_narrower_range_in_all_classes_are_said(
    npz: Callable[..., Path], n_dim: int, n_said: int
) -> None:
    stored = EXPECTED.copy()
    stored[:n_dim] = STEPS[:n_dim]

    said = read(npz(stored)).warnings

    assert ["8 of 20 pictures are nearly black for models (up to 16 of 255)" in text for text in said] == [
        True
    ] * n_said
