"""Photographs of digits: MNIST's own test digits, drawn on synthetic pages and found again."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import ImageFormat
from tuner.datasets.pictures.character_page import cut_out_character, otsu_threshold
from tuner.datasets.pictures.predicted import read_image
from tuner.datasets.test_set import load_test_set

DIGITS = ImageFormat(height=28, width=28, channels=1, class_names=tuple("0123456789"))
HEIGHT, WIDTH = 200, 268
#: Contour of the ink in an enlarged digit: low levels are far out, and make strokes thick.
LEVELS = {"thin": 0.7, "usual": 0.5, "thick": 0.25}


@pytest.fixture(scope="module")
def classifier(data_dir: Path) -> Any:
    """A net of one hidden layer that knows MNIST's digits, shifted ones too: two seconds."""
    from sklearn.neural_network import MLPClassifier

    data = open_dataset("mnist", data_dir=data_dir).load_train()
    images = data.images[:6000, :, :, 0]
    shifted = np.concatenate([images, *(np.roll(images, by, axis) for by in (-1, 1) for axis in (1, 2))])
    classifier = MLPClassifier((100,), batch_size=200, max_iter=5, random_state=0, warm_start=True)
    pixels, labels = (shifted.reshape(len(shifted), -1) / 255).astype(np.float32), np.tile(data.labels[:6000], 5)
    for _ in range(3):
        classifier.partial_fit(pixels, labels, classes=np.arange(10))
    return classifier


@pytest.fixture(scope="module")
def digits(classifier: Any, data_dir: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Test digits that the classifier is sure of as they are, so that a mistake is the page's."""
    test = load_test_set("mnist", data_dir=data_dir)
    images = test.images[:800, :, :, 0]
    probabilities = classifier.predict_proba(images.reshape(len(images), -1) / 255)
    is_sure = (probabilities.argmax(axis=1) == test.labels[:800]) & (probabilities.max(axis=1) > 0.97)
    return images[is_sure], test.labels[:800][is_sure]


def draw_page(
    digit: NDArray[np.uint8],
    draw: np.random.Generator,
    *,
    light: str = "even",
    noise: float = 3,
    side: int = 73,
    stroke: str = "usual",
    is_chalk: bool = False,
) -> NDArray[np.uint8]:
    """Draw a digit of about that height somewhere on a page of 200 x 268, lit evenly, from a side or half in shadow."""
    scale = side / 20
    enlarged = np.asarray(Image.fromarray(digit).resize((round(28 * scale),) * 2, Image.Resampling.BICUBIC)) / 255
    ink = np.clip((ndimage.gaussian_filter(enlarged, 0.3 * scale) - LEVELS[stroke]) / 0.1 + 0.5, 0, 1)
    covered = np.zeros((HEIGHT, WIDTH))
    top, left = (int(draw.integers(0, length - len(ink) + 1)) for length in (HEIGHT, WIDTH))
    covered[top : top + len(ink), left : left + len(ink)] = ink
    angle = draw.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-0.5 : 0.5 : HEIGHT * 1j, -0.5 : 0.5 : WIDTH * 1j]
    across = rows * np.sin(angle) + columns * np.cos(angle)
    lit = {"even": 1, "shade": 0.65 + 0.5 * across, "shadow": 0.5 + 0.5 / (1 + np.exp(-across * 60))}[light]
    paper, pen = (45, 225) if is_chalk else (235, 40)
    page = (paper + (pen - paper) * covered) * lit + draw.normal(0, noise, covered.shape)
    return np.clip(page, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("is_chalk", [False, True], ids=["dark on light", "light on dark"])
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param({}, id="flat"),
        pytest.param({"noise": 25}, id="noisy"),
        pytest.param({"light": "shade"}, id="shaded"),
        pytest.param({"light": "shadow"}, id="shadow"),
        pytest.param({"light": "shadow", "noise": 10}, id="noisy shadow"),
        pytest.param({"side": 27}, id="small"),
        pytest.param({"side": 27, "light": "shade", "noise": 6}, id="small and shaded"),
        pytest.param({"stroke": "thin"}, id="thin"),
        pytest.param({"stroke": "thick"}, id="thick"),
        pytest.param({"side": 120}, id="large"),
    ],
)
def test_nine_of_ten_photographed_digits_are_read_right(
    classifier: Any,
    digits: tuple[NDArray[np.uint8], NDArray[np.int64]],
    tmp_path: Path,
    kind: dict[str, Any],
    is_chalk: bool,  # noqa: FBT001 - pytest hands it over by name
) -> None:
    draw = np.random.default_rng(0)
    images, labels = (part[:10] for part in digits)

    seen = []
    for digit in images:
        Image.fromarray(draw_page(digit, draw, is_chalk=is_chalk, **kind)).save(tmp_path / "page.png", compress_level=1)
        seen.append(read_image(tmp_path / "page.png", image_format=DIGITS))

    assert (classifier.predict(np.reshape(seen, (10, -1)) / 255) == labels).sum() >= 9


def test_a_large_photograph_is_read_quickly(tmp_path: Path) -> None:
    page = np.full((4000, 6000), 220, np.uint8)
    page[1000:2000, 4000:4150] = 30
    Image.fromarray(page).save(tmp_path / "page.png", compress_level=1)
    start = time.process_time()

    seen = read_image(tmp_path / "page.png", image_format=DIGITS)

    assert time.process_time() - start < 3
    rows, columns = np.nonzero(seen[:, :, 0] > 100)
    assert 18 <= np.ptp(rows) <= 20
    assert 2 <= np.ptp(columns) <= 4


def test_a_digit_of_two_parts_stays_whole() -> None:
    page = np.full((200, 200), 230, np.uint8)
    page[50:150, 60:75] = 20
    page[50:65, 85:130] = 20

    assert cut_out_character(page).shape == (100, 70)


def test_specks_and_the_edge_of_the_table_are_no_strokes() -> None:
    page = np.full((200, 300), 230, np.uint8)
    page[60:140, 100:115] = 20
    page[20:22, 20:22] = 20
    page[:, :8] = 60

    assert cut_out_character(page).shape == (80, 15)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2), (40, 1)])
@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_page_of_any_size_may_be_empty(shape: tuple[int, int], level: int) -> None:
    assert not cut_out_character(np.full(shape, level, np.uint8)).any()


def test_otsus_threshold_lies_between_two_levels() -> None:
    values = np.array([0.1] * 90 + [0.8] * 10, np.float32)

    assert 0.1 < otsu_threshold(values) < 0.8
