"""Labelled images in files that all processes of a machine map into memory: decoded once, in memory once.

An entry is a folder: for each of its parts `PART-images.npy` and `PART-labels.npy`, and `index.json` with class names,
hashes and, for groups in folds, the folds' sizes. It gets its name when it is complete. One process makes it while the
others wait.
"""

import json
import logging
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tuner.datasets import large_arrays
from tuner.datasets.images import LabelledImages
from tuner.datasets.progress import told_windows
from tuner.datasets.single_builder import building_alone

#: Names of the files and folders beside an entry, which hold its key.
_UNFINISHED = re.compile(r"^\.(.+)\.(?:lock|unfinished)$")

_log = logging.getLogger(__name__)

#: One or more sets of images that are read together, such as training and validation images.
Parts = Mapping[str, LabelledImages]


class ImageCache:
    """Sets of images by key, below one folder; where it cannot be written, each process holds its own images."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str, make: Callable[[], Parts]) -> Parts:
        """Return the parts of this key, mapped from files, which are written first where they are missing or damaged.

        Args:
            key: A file name; equal keys must stand for equal content.
            make: Reads and divides the images.
        """
        entry = self._folder / key
        found = _map_sound(entry)
        if found is not None:
            return found
        made: Parts | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with building_alone(self._folder / f".{key}.lock", what="the images of this study"):
                found = _map_sound(entry)
                if found is not None:
                    return found
                made = make()
                _write_parts(entry, made)
                return _map_parts(entry)
        except OSError as error:
            _log.info("%s cannot be written, so that each process holds its own images: %s", entry, error)
            return make() if made is None else made

    def list_keys(self) -> list[str]:
        """Return the keys of all entries, unfinished ones among them, in order."""
        names = [path.name for path in self._folder.iterdir()] if self._folder.is_dir() else []
        return sorted({_UNFINISHED.sub(r"\1", name) for name in names})

    def delete(self, key: str) -> None:
        """Remove an entry; processes that have mapped it can go on reading it."""
        for folder in (self._folder / key, _unfinished(self._folder / key)):
            shutil.rmtree(folder, ignore_errors=True)
        (self._folder / f".{key}.lock").unlink(missing_ok=True)


def _unfinished(entry: Path) -> Path:
    return entry.with_name(f".{entry.name}.unfinished")


def _map_sound(entry: Path) -> Parts | None:
    """Return the parts of an entry; None where there is none, or a damaged one, which is removed."""
    if not entry.is_dir():
        return None
    try:
        return _map_parts(entry)
    except (OSError, ValueError, KeyError) as error:
        _log.warning("%s is damaged and is made again: %s", entry, error)
        shutil.rmtree(entry, ignore_errors=True)
        return None


def _write_parts(entry: Path, parts: Parts) -> None:
    """Write an entry; only one process does it at a time."""
    unfinished = _unfinished(entry)
    # Of a process that was killed.
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        for name, part in parts.items():
            _save(unfinished / f"{name}-images.npy", part.images)
            _save(unfinished / f"{name}-labels.npy", part.labels)
        index = {
            name: {
                "class_names": part.class_names,
                "sha256": part.content_hash(),
                "written": _stamp(unfinished / f"{name}-images.npy"),
            }
            | ({} if part.fold_sizes is None else {"fold_sizes": part.fold_sizes})
            for name, part in parts.items()
        }
        (unfinished / "index.json").write_text(json.dumps(index))
        unfinished.rename(entry)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _save(path: Path, array: NDArray[Any]) -> None:
    """Write an array as NumPy does, some megabytes at a time."""
    with path.open("wb") as file:
        header = {"descr": npy.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
        npy.write_array_header_1_0(file, header)
        # A full disk shows now, and not after minutes.
        large_arrays.reserve(file, file.tell() + array.nbytes)
        for window in told_windows(array, f"Writing images to {path.parent.parent}"):
            file.write(np.ascontiguousarray(array[window]).data)


def _stamp(path: Path) -> list[int]:
    """Return what changes when a file is written to: its size, and when it was changed in nanoseconds."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _map_parts(entry: Path) -> Parts:
    parts = {}
    for name, known in json.loads((entry / "index.json").read_text()).items():
        path = entry / f"{name}-images.npy"
        part = LabelledImages(
            images=large_arrays.map_file(path),
            labels=large_arrays.map_file(entry / f"{name}-labels.npy"),
            class_names=tuple(known["class_names"]),
            fold_sizes=tuple(known["fold_sizes"]) if "fold_sizes" in known else None,
        )
        # To read many gigabytes takes a process minutes: of those it is enough that nobody has written to them.
        is_large = part.images.nbytes > large_arrays.LARGEST_IN_MEMORY
        is_untouched = is_large and known.get("written") == _stamp(path)
        if not is_untouched and part.content_hash() != known["sha256"]:
            raise ValueError(f"the hash of {name} does not match its content")
        parts[name] = part
    return parts
