import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tuner.bundles.array_images import read_images
from tuner.bundles.bundle import BundleDescription, Provenance
from tuner.datasets.images import ImageFormat
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.reading import UnreadableDataError

PIXELS = PixelMeaning(
    range=(0.0, 1.0), found=(0.0, 1.0), bits=None, channels=1, background=None, polarity="light on dark",
    inverted=False, stored_size=(4, 4), any_size=False,
)  # fmt: skip
STROKE = np.eye(4)[np.newaxis]


def described(**pixels: Any) -> BundleDescription:
    return BundleDescription(
        space="mlp",
        hyperparameters={},
        images=ImageFormat(height=4, width=4, channels=1, class_names=("a", "b")),
        pixels=dataclasses.replace(PIXELS, **pixels),
        provenance=Provenance(study="s", trial=0, rank=1, seed=0, test_accuracy=None, versions={}, data_sha256=""),
    )


def test_arrays_are_prepared_as_the_studys_own_images_were() -> None:
    assert read_images(STROKE, described())[0, :, :, 0].tolist() == (255 * np.eye(4)).tolist()
    assert read_images(STROKE[..., np.newaxis], described(inverted=True))[0, 0, 0, 0] == 0
    assert read_images(np.eye(8)[np.newaxis], described(any_size=True)).shape == (1, 4, 4, 1)
    assert read_images(STROKE[:0], described()).shape == (0, 4, 4, 1)


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (255 * STROKE, "pixel values go from 0 to 255, expected 0 to 1"),
        (np.eye(5)[np.newaxis], r"they have the shape \(5, 5, 1\), expected \(4, 4, 1\) as in training"),
        (np.zeros((1, 4, 4, 3)), "they have 3 channels, expected 1"),
        (np.zeros(4), "images have the shape"),
    ],
)
def test_images_of_another_kind_are_refused(images: NDArray[Any], told: str) -> None:
    with pytest.raises(UnreadableDataError, match=told):
        read_images(images, described())
