"""Datasets by name or path, without their test sets. A new dataset is one `CatalogueEntry`, and one line here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tuner.datasets.division.holdout import describe_held_out, without_held_out
from tuner.datasets.formats.file_formats import open_reader
from tuner.datasets.formats.labels import doubts_about
from tuner.datasets.images import LabelledImages
from tuner.datasets.left_out import LeftOut
from tuner.datasets.pixels.decision import PixelSettings
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.published.digits import DIGITS
from tuner.datasets.published.entry import CatalogueEntry
from tuner.datasets.published.kaggle import KAGGLE_DIGITS
from tuner.datasets.published.mnist import FASHION_MNIST, KMNIST, MNIST
from tuner.datasets.reading import AS_STORED, ReadingSettings, listing
from tuner.datasets.source import Source, TrainingPart
from tuner.errors import TunerError, did_you_mean, shorten

CATALOGUE: Mapping[str, CatalogueEntry] = {
    entry.name: entry for entry in (DIGITS, MNIST, KMNIST, FASHION_MNIST, KAGGLE_DIGITS)
}


class UnknownDatasetError(TunerError):
    """The text is neither a name in the catalogue nor a path."""

    def __init__(self, name: str) -> None:
        guess = did_you_mean(name.lower(), CATALOGUE)
        super().__init__(
            f"No dataset named {shorten(name)!r}, and no file or folder of that path.{guess} "
            f"Known datasets: {', '.join(CATALOGUE)}. See `tuner dataset list`."
        )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What search and reports may know of a dataset: its training images, and where the test set would come from."""

    name: str
    description: str
    _source: Source

    @property
    def has_test_set(self) -> bool:
        """Whether it has a labelled test set; otherwise a fifth of its images is held out as one."""
        with listing():
            return self._source.reader.has_test_set

    @property
    def left_out(self) -> LeftOut:
        """Which of its files are not read, judged by names."""
        with listing():
            return self._source.reader.left_out

    def remarks_on(self, images: LabelledImages) -> tuple[str, ...]:
        """Return what a person should know before a search, a line each: files that are not read, doubtful names."""
        left_out = self.left_out.describe()
        return (*([left_out] if left_out else []), *doubts_about(images.class_names))

    def load_train(self) -> LabelledImages:
        """Return the images to train and validate on; the test set is not among them.

        Raises:
            TunerError: Files are missing, damaged or too big, labels are outside the classes, or pixels are not clear.
        """
        return self.read_training_part().images

    def read_training_part(self) -> TrainingPart:
        """Return the images to train and validate on, what their pixels mean, and warnings about both.

        The meaning is decided from all images of the training part's files, including a fifth that is held out.

        Raises:
            TunerError: As `load_train`.
        """
        part = self._source.load_train()
        warnings = (*part.warnings, *self.remarks_on(part.images))
        if self.has_test_set:
            return replace(part, warnings=warnings)
        images = without_held_out(part.images, name=self.name)
        return replace(part, images=images, warnings=(*warnings, *describe_held_out(part.images, images)))


def open_dataset(
    name_or_path: str,
    *,
    data_dir: Path,
    reading: ReadingSettings = AS_STORED,
    pixels: PixelMeaning | PixelSettings | None = None,
) -> Dataset:
    """Return a dataset of the catalogue, or of a person's own files; no image is read yet.

    Args:
        name_or_path: A name in the catalogue wins over a path of the same spelling; `./mnist` is always a path.
        data_dir: Holds one folder for each dataset of the catalogue.
        reading: What a person has set of how files are read.
        pixels: What a study has stored of the pixels, or what a person has set; with None the images decide.

    Raises:
        UnknownDatasetError: It is neither a name nor a path.
        UnrecognisedDataError: What lies at the path cannot be read.
    """
    source = open_source(name_or_path, data_dir=data_dir, reading=reading, pixels=pixels)
    return Dataset(name=source.name, description=source.description, _source=source)


def open_source(
    name_or_path: str,
    *,
    data_dir: Path,
    reading: ReadingSettings = AS_STORED,
    pixels: PixelMeaning | PixelSettings | None = None,
) -> Source:
    """Return where the dataset comes from, including its test part; only this package calls it.

    Raises:
        UnknownDatasetError: It is neither a name nor a path.
        UnrecognisedDataError: What lies at the path cannot be read.
    """
    pixels = pixels or PixelSettings()
    entry = CATALOGUE.get(name_or_path)
    if entry:
        return Source(
            name=name_or_path,
            description=entry.description,
            reader=entry.open_reader(data_dir / entry.name),
            reading=reading,
            image_format=entry.image_format,
            pixel_range=entry.pixel_range,
            pixels=pixels,
        )
    try:
        path = Path(name_or_path).expanduser()
        is_there = path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        # Too long for a path, `~name` of an unknown user, a folder without permission to search it.
        raise UnknownDatasetError(name_or_path) from error
    # An empty text would be the current folder.
    if not is_there or not name_or_path.strip():
        raise UnknownDatasetError(name_or_path)
    reader = open_reader(path, reading)
    return Source(name=name_or_path, description="own data", reader=reader, reading=reading, pixels=pixels)


def find_entry(name: str) -> CatalogueEntry:
    """Return the catalogue's entry of that name.

    Raises:
        UnknownDatasetError: There is none.
    """
    if name not in CATALOGUE:
        raise UnknownDatasetError(name)
    return CATALOGUE[name]
