"""`tuner dataset fetch`: download a dataset of the catalogue into its folder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tuner.datasets.published.checksum import file_matches
from tuner.datasets.published.download import download_file
from tuner.datasets.published.entry import CatalogueEntry
from tuner.errors import TunerError


class NothingToDownloadError(TunerError):
    """The dataset is not published for free download."""


def fetch_dataset(
    entry: CatalogueEntry, folder: Path, *, on_progress: Callable[[str, int, int | None], None]
) -> tuple[str, ...]:
    """Download the files that are missing or damaged, and return their names.

    Args:
        entry: What to fetch.
        folder: Where its files belong; nothing is written to a folder that has all of them.
        on_progress: Called with a file's name, the number of bytes that are there, and of all bytes (None: unknown).

    Raises:
        NothingToDownloadError: A person has to put the files there.
        DownloadError: A file could not be downloaded; the others stay.
    """
    if entry.publication is None:
        if entry.is_in_place(folder):
            return ()
        raise NothingToDownloadError(f"{entry.name} cannot be downloaded into {folder}. {entry.how_to_get}")
    fetched = []
    for file in entry.publication.files:
        present = file.find_in(folder)
        if present and file_matches(present, file.checksum) is not False:
            continue
        download_file(
            [mirror + file.name for mirror in entry.publication.mirrors],
            folder / file.name,
            checksum=file.checksum,
            on_progress=partial(on_progress, file.name),
        )
        fetched.append(file.name)
    return tuple(fetched)
