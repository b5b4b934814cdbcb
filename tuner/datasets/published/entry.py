"""What the catalogue knows of one dataset."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuner.datasets.images import ImageFormat
from tuner.datasets.pixels.stored_range import BYTES, Range
from tuner.datasets.published.checksum import Checksum
from tuner.datasets.reading import Reader


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """One file that is free to download."""

    name: str
    checksum: Checksum
    #: Other file names that are accepted: decompressed, in another spelling, in another format.
    alternatives: tuple[str, ...] = ()

    def find_in(self, folder: Path) -> Path | None:
        return next((folder / name for name in (self.name, *self.alternatives) if (folder / name).is_file()), None)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """Where a dataset's files are published: the images and the labels of each part."""

    #: URLs ending in `/`, tried in this order.
    mirrors: tuple[str, ...]
    train: tuple[PublishedFile, PublishedFile]
    test: tuple[PublishedFile, PublishedFile]

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        return self.train + self.test


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """One dataset; its files are in the folder of its name below the data folder."""

    name: str
    #: One line for `tuner dataset list`.
    description: str
    image_format: ImageFormat
    #: From the dataset's folder to a reader of what is in it; touches no file.
    open_reader: Callable[[Path], Reader]
    #: The stored values that are black and white.
    pixel_range: Range = BYTES
    #: What `tuner dataset fetch` downloads; None when nothing can be downloaded.
    publication: Publication | None = None
    #: Names of the files that a person must put there.
    files_to_provide: tuple[str, ...] = ()
    #: The answer to `tuner dataset fetch` without a publication.
    how_to_get: str = ""

    def is_in_place(self, folder: Path) -> bool:
        """Say whether all files are there, judged by their names."""
        published = self.publication.files if self.publication else ()
        return all(file.find_in(folder) for file in published) and all(
            (folder / name).is_file() for name in self.files_to_provide
        )
