"""Datasets by name or path, without their test sets. A new name is one `CatalogueEntry`, and one line here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuner.datasets.digits import DIGITS
from tuner.datasets.entry import CatalogueEntry
from tuner.datasets.holdout import without_held_out
from tuner.datasets.images import LabelledImages
from tuner.datasets.kaggle import KAGGLE_DIGITS
from tuner.datasets.labels import doubts_about
from tuner.datasets.left_out import LeftOut
from tuner.datasets.mnist import FASHION_MNIST, KMNIST, MNIST
from tuner.datasets.own_data import open_reader
from tuner.datasets.reading import Size
from tuner.datasets.source import Source
from tuner.errors import TunerError, did_you_mean

CATALOGUE: Mapping[str, CatalogueEntry] = {
    entry.name: entry for entry in (DIGITS, MNIST, KMNIST, FASHION_MNIST, KAGGLE_DIGITS)
}


class UnknownDatasetError(TunerError):
    """Neither a name of the catalogue nor a path."""

    def __init__(self, name: str) -> None:
        guess = did_you_mean(name.lower(), CATALOGUE)
        super().__init__(
            f"No dataset named {name!r}, and no file or folder of that path.{guess} "
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
        """Whether it brings a labelled test set; else a fifth of its images is held out for one."""
        return self._source.reader.has_test_set

    @property
    def left_out(self) -> LeftOut:
        """What lies among its files and is not read, judged by names."""
        return self._source.reader.left_out

    def remarks_on(self, images: LabelledImages) -> tuple[str, ...]:
        """Return a line for each thing that a person should know before a search: what is not read, doubtful names."""
        left_out = self.left_out.describe()
        return (*([left_out] if left_out else []), *doubts_about(images.class_names))

    def load_train(self) -> LabelledImages:
        """Return the images to train and validate on; the test set is not among them.

        Raises:
            TunerError: Files are missing, damaged or too big, or labels are outside the classes.
        """
        raw = self._source.reader.read_train()
        data = self._source.label(raw, self._source.read_conventions(raw))
        return data if self.has_test_set else without_held_out(data, name=self.name)


def open_dataset(name_or_path: str, *, data_dir: Path, resize: Size | None = None) -> Dataset:
    """Return a dataset of the catalogue, or of people's own files; no image is read yet.

    Args:
        name_or_path: A name of the catalogue wins over a path spelt alike; `./mnist` is a path always.
        data_dir: Holds one folder for each dataset of the catalogue.
        resize: Height and width that every image is scaled to; None keeps them.

    Raises:
        UnknownDatasetError: It is neither.
        UnrecognisedDataError: What lies at the path is nothing that can be read.
    """
    source = open_source(name_or_path, data_dir=data_dir, resize=resize)
    return Dataset(name=source.name, description=source.description, _source=source)


def open_source(name_or_path: str, *, data_dir: Path, resize: Size | None = None) -> Source:
    """Return where the dataset comes from, its test part included; for this package alone.

    Raises:
        UnknownDatasetError: It is neither a name nor a path.
        UnrecognisedDataError: What lies at the path is nothing that can be read.
    """
    entry = CATALOGUE.get(name_or_path)
    if entry:
        return Source(
            name=name_or_path,
            description=entry.description,
            reader=entry.open_reader(data_dir / entry.name),
            resize=resize,
            image_format=entry.image_format,
        )
    path = Path(name_or_path).expanduser()
    if not path.exists():
        raise UnknownDatasetError(name_or_path)
    return Source(name=name_or_path, description="own data", reader=open_reader(path, resize=resize), resize=resize)


def find_entry(name: str) -> CatalogueEntry:
    """Return the catalogue's entry of that name.

    Raises:
        UnknownDatasetError: There is none.
    """
    if name not in CATALOGUE:
        raise UnknownDatasetError(name)
    return CATALOGUE[name]
