"""The 1,797 digits of 8 x 8 pixels that come with scikit-learn: the quick start's data, without a download.

Source: https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits
"""

from pathlib import Path

import numpy as np

from tuner.datasets.formats.arrays import store_array
from tuner.datasets.images import ImageFormat
from tuner.datasets.left_out import LeftOut
from tuner.datasets.published.entry import CatalogueEntry
from tuner.datasets.reading import RawExamples


class DigitsReader:
    """Reads scikit-learn's copy, which has no test part."""

    @property
    def has_test_set(self) -> bool:
        return False

    @property
    def left_out(self) -> LeftOut:
        return LeftOut()

    def read_train(self) -> RawExamples:
        from sklearn.datasets import load_digits  # 1.9 s to import, for this dataset alone

        digits = load_digits()
        return RawExamples(
            images=store_array(np.asarray(digits.images), where="digits"),
            labels=np.asarray(digits.target, np.int64),
        )

    def read_test(self) -> RawExamples:
        raise NotImplementedError("digits has no test part of its own")


def _open_reader(_folder: Path) -> DigitsReader:
    return DigitsReader()


DIGITS = CatalogueEntry(
    name="digits",
    description="1,797 handwritten digits of scikit-learn, no download",
    image_format=ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789")),
    pixel_range=(0.0, 16.0),
    open_reader=_open_reader,
    how_to_get="It comes with scikit-learn: there is nothing to fetch.",
)
