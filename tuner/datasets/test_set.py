"""The only access to the test images, for `tuner.jobs` alone.

`tuner.jobs` checks before a study is stored whether they can be read, and tests models on them after every choice.
"""

from pathlib import Path

from tuner.datasets.catalogue import open_source
from tuner.datasets.division.holdout import held_out
from tuner.datasets.images import LabelledImages
from tuner.datasets.pixels.decision import PixelSettings
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.reading import AS_STORED, ReadingSettings


def load_test_set(
    name_or_path: str,
    *,
    data_dir: Path,
    reading: ReadingSettings = AS_STORED,
    pixels: PixelMeaning | PixelSettings | None = None,
) -> LabelledImages:
    """Return the labelled test images: the dataset's own, or the fifth that `Dataset.load_train` leaves out.

    Args:
        name_or_path: As in `catalogue.open_dataset`.
        data_dir: As in `catalogue.open_dataset`.
        reading: As in `catalogue.open_dataset`; equal to the training's.
        pixels: As in `catalogue.open_dataset`; equal to the training's.

    Raises:
        TunerError: Files are missing, damaged or too big, labels are outside the classes of the training images, or
            the images are not of their format or their pixels' range.
    """
    source = open_source(name_or_path, data_dir=data_dir, reading=reading, pixels=pixels)
    if source.reader.has_test_set:
        return source.label_test(source.reader.read_test())
    return held_out(source.load_train().images, name=source.name)
