"""A test part that is stored otherwise than its training part is an error or a warning, never silence."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import draw_images, write_picture
from numpy.typing import NDArray

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.pixels.decision import PixelSettings
from tuner.datasets.reading import UnreadableDataError
from tuner.datasets.test_set import load_test_set


def draw(n_images: int, *, seed: int) -> NDArray[np.uint8]:
    """Bright blots on black that reach black and white."""
    images = draw_images(n_images, height=8, width=8, seed=seed)
    images[:, 3, 3] = 255
    return images


TRAIN, TEST = draw(40, seed=0), draw(20, seed=1)
#: Dark photographs in colours, shape (n, 8, 8, 3), and others of the kind.
PHOTOS, OTHER_PHOTOS = (np.repeat(draw(40, seed=seed)[..., None], 3, axis=3) // 4 for seed in (2, 3))

Warnings = Callable[..., list[str]]


@pytest.fixture
def warnings_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Warnings:
    """Return what is said of a test part beside a training part, both as arrays of two classes."""

    def read(train: Any, test: Any, pixel_range: Any = "auto") -> list[str]:
        path = tmp_path / "own.npz"
        np.savez(path, x_train=train, y_train=["a", "b"] * (len(train) // 2), x_test=test, y_test=_labels(len(test)))
        settings = PixelSettings(range=pixel_range)
        part = open_dataset(str(path), data_dir=path, pixels=settings).read_training_part()
        caplog.clear()
        load_test_set(str(path), data_dir=path, pixels=part.pixels)
        return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]

    def _labels(n_images: int) -> list[str]:
        return (["a", "b"] * n_images)[:n_images]

    return read


@pytest.mark.parametrize(
    ("train", "test"),
    [
        pytest.param(TRAIN, TEST, id="bytes"),
        pytest.param(TRAIN / 255, TEST / 255, id="floats"),
        pytest.param(TRAIN / 255, (TEST / 255).astype(np.float32), id="floats of two sizes"),
        pytest.param(TRAIN.astype(np.float32), TEST, id="floats and bytes"),
        pytest.param(TRAIN > 180, TEST > 180, id="booleans"),
        pytest.param((TRAIN > 180) / 1.0, (TEST > 180).astype(np.int64), id="zeros and ones of two types"),
        pytest.param(TRAIN, TEST // 3 * 2, id="a little darker"),
        pytest.param(PHOTOS * 4, OTHER_PHOTOS * 4, id="colours"),
    ],
)
def test_parts_that_are_stored_alike_are_not_remarked_on(warnings_of: Warnings, train: Any, test: Any) -> None:
    assert warnings_of(train, test) == []


@pytest.mark.parametrize(
    ("test", "message"),
    [
        pytest.param(
            (TEST / 255).astype(np.uint8), "the values 0 and 1 alone, the training part 0 to 1 with", id="cast"
        ),
        pytest.param(
            np.rint(TEST / 255).astype(np.int64), "cast to integers: store both parts as the same", id="rounded"
        ),
        pytest.param(TEST > 0, "the values 0 and 1 alone", id="cast to booleans"),
        pytest.param(TEST, "from 0 to 255, expected 0 to 1 as in training", id="bytes"),
        pytest.param(np.zeros_like(TEST), r"spread over 0\.00% of the range 0 to 1", id="black"),
        pytest.param(np.zeros_like(TEST[:2]), r"spread over 0\.00% of the range 0 to 1", id="two black images"),
        pytest.param(1 - TEST / 255, "pictures are dark on light, those of training light on dark", id="negative"),
        pytest.param(TEST[..., None].repeat(3, axis=3) / 255, "Store both parts in grey, or both in RGB", id="colours"),
        pytest.param(TEST.astype(np.uint16) * 257, "from 0 to 65535, expected 0 to 1", id="16 bits"),
        pytest.param(TEST / 127.5 - 1, "from -1 to 1, expected 0 to 1", id="-1 to 1"),
    ],
)
def test_a_test_part_that_is_certainly_stored_otherwise_than_floats_is_refused(
    warnings_of: Warnings, test: Any, message: str
) -> None:
    with pytest.raises(UnreadableDataError, match=f"test part.*{message}"):
        warnings_of(TRAIN / 255, test)


@pytest.mark.parametrize(
    ("train", "test", "pixel_range", "message"),
    [
        pytest.param(
            TRAIN / 255,
            np.rint(TEST / 255),
            "auto",
            "the test part has the values 0 and 1 alone, the training part 0 to 1 with shades",
            id="floats of zeros and ones",
        ),
        pytest.param(
            TRAIN,
            np.where(TEST > 127, np.uint8(255), 0),
            "auto",
            "has the values 0 and 255 alone",
            id="thresholded bytes",
        ),
        pytest.param(
            TRAIN > 127,
            TEST / 255,
            "auto",
            "the training part has the values 0 and 1 alone, the test part",
            id="rounded train",
        ),
        pytest.param(
            TRAIN / 127.5 - 1,
            TEST / 255,
            (-1.0, 1.0),
            "of the training part from 0 to 255; in files they go from 0 to 1, and from -1 to 1",
            id="0 to 1 beside -1 to 1",
        ),
        pytest.param(
            TRAIN,
            np.concatenate([TEST[:1], (TEST / 255)[1:]]),
            "auto",
            "a typical picture of it goes from 0 to 1 of 255 levels",
            id="0 to 1 but for one picture",
        ),
        pytest.param(TRAIN, np.zeros_like(TEST[:1]), "auto", "goes from 0 to 0 of 255 levels", id="one black picture"),
        pytest.param(
            PHOTOS * 4, 255 - OTHER_PHOTOS * 4, "auto", "as those of the training part's negative", id="colours"
        ),
        pytest.param(TRAIN, 255 - TEST[:5], "auto", "as those of the training part's negative", id="few pictures"),
    ],
)
def test_a_test_part_that_may_be_stored_otherwise_is_remarked_on(
    warnings_of: Warnings, train: Any, test: Any, pixel_range: Any, message: str
) -> None:
    said = warnings_of(train, test, pixel_range)

    assert any(message in line for line in said), said


@pytest.mark.parametrize(
    ("trained", "tested", "message"),
    [
        ("L", "RGB", "20 of its 20 pictures are stored in colour and read as grey, as those of the training part are"),
        ("RGB", "L", "20 of its 20 pictures are grey, those of the training part have colours"),
        ("L", "L", None),
        ("RGB", "RGB", None),
    ],
)
def test_test_pictures_of_other_channels_are_remarked_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, trained: str, tested: str, message: str | None
) -> None:
    for part, images, mode in (("train", TRAIN, trained), ("test", TEST, tested)):
        for index, image in enumerate(images):
            stored = image if mode == "L" else image[..., None].repeat(3, axis=2)
            write_picture(tmp_path / part / "ab"[index % 2] / f"{index:02}.png", stored)

    load_test_set(str(tmp_path), data_dir=tmp_path)

    assert [message in record.getMessage() for record in caplog.records if message] == [True] * bool(message)
    assert message or not caplog.records
