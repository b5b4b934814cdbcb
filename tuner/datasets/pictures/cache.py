"""Decoded pictures of folders, kept in files: one process of a machine decodes them, the others wait and map the files.

An entry is a folder with the files of a `stack` and `index.json`, which says what the headers said. Its name is
the hash of the files' paths, sizes and times of change, and of how they are read. While it is made its name begins with
a dot; the process that makes it holds the lock beside it, and goes on where a killed one has stopped.
"""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import PIL

from tuner.datasets.pictures.stack import open_stack
from tuner.datasets.reading import ReadingSettings, Size, StoredImages, UnreadableDataError
from tuner.datasets.single_builder import building_alone

_log = logging.getLogger(__name__)

#: Raised when pictures are decoded in another way.
_VERSION = 1
#: Bytes of picture files from which on they are kept: less is decoded in a second or two.
_FEWEST_BYTES = 2**23
_INDEX = "index.json"
#: Seconds after which `tuner gc` removes what nobody has read.
_KEPT_S = 7 * 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class PictureLayout:
    """What the headers of the pictures of one part say."""

    #: Height and width that all of them have or get.
    size: Size
    n_pictures: int
    #: How many have colours; the others are grey.
    n_in_colour: int
    #: How many have a colour profile other than sRGB.
    n_other_profiles: int
    #: Of the largest picture.
    most_pixels: int

    @property
    def channels(self) -> int:
        """1 where all are grey, 3 otherwise."""
        return 3 if self.n_in_colour else 1


#: Reads headers and pixels, into files of a folder, or in memory where that is None.
Decode = Callable[[Path | None], tuple[PictureLayout, StoredImages]]


class PictureCache:
    """Decoded pictures by key, below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str, decode: Decode) -> tuple[PictureLayout, StoredImages]:
        """Return the pictures of this key, which are decoded first where they are missing.

        Where the folder cannot be written, or the disk is full, they are decoded into memory.

        Raises:
            UnreadableDataError: A picture cannot be read.
        """
        entry = self._folder / key
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return self.find(key) or self._make(entry, decode)
        except OSError as error:
            _log.info("%s cannot be written, so that the pictures are decoded into memory: %s", entry, error)
            return decode(None)

    def find(self, key: str) -> tuple[PictureLayout, StoredImages] | None:
        """Return the pictures of this key, or None where they are missing or damaged."""
        entry = self._folder / key
        try:
            index = json.loads((entry / _INDEX).read_text())
            size = (int(index["layout"]["size"][0]), int(index["layout"]["size"][1]))
            layout = PictureLayout(**{**index["layout"], "size": size})
            images = open_stack(entry, channels=index["channels"])
            with suppress(OSError):
                os.utime(entry)
            return layout, images
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s is damaged and is made again: %s", entry, error)
            shutil.rmtree(entry, ignore_errors=True)
            return None

    def _make(self, entry: Path, decode: Decode) -> tuple[PictureLayout, StoredImages]:
        with building_alone(entry.with_name(f".{entry.name}.lock"), what="the decoded pictures of this folder"):
            # The process that held the lock has made it.
            return self.find(entry.name) or self._decode_into(entry, decode)

    def _decode_into(self, entry: Path, decode: Decode) -> tuple[PictureLayout, StoredImages]:
        unfinished = entry.with_name(f".{entry.name}")
        unfinished.mkdir(exist_ok=True)
        try:
            layout, images = decode(unfinished)
        except (UnreadableDataError, OSError):
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        (unfinished / _INDEX).write_text(json.dumps({"layout": asdict(layout), "channels": images.channels}))
        unfinished.rename(entry)
        return self.find(entry.name) or (layout, images)

    def list_unused(self) -> list[str]:
        """Return the names of the entries, unfinished ones and locks among them, that nobody has read for a week."""
        if not self._folder.is_dir():
            return []
        oldest = time.time() - _KEPT_S
        return sorted(path.name for path in self._folder.iterdir() if path.stat().st_mtime < oldest)

    def delete(self, key: str) -> None:
        """Remove an entry; processes that have mapped it can go on reading it."""
        path = self._folder / key
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            path.unlink()


def key_of(paths: Sequence[Path], reading: ReadingSettings, channels: int | None) -> str | None:
    """Return the key of pictures read in this way; None where decoding is quick, so that they need not be kept.

    Raises:
        OSError: A file is gone.
    """
    found = [path.stat() for path in paths]
    if sum(status.st_size for status in found) < _FEWEST_BYTES:
        return None
    how = (_VERSION, PIL.__version__, reading.resize, reading.resize_how if reading.resize else None, channels)
    digest = hashlib.sha256(repr(how).encode())
    for path, status in zip(paths, found, strict=True):
        digest.update(os.fsencode(path.absolute()) + repr((status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()
