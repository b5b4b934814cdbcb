"""Labelled images in files that all processes of a machine map into memory: decoded once, in memory once.

An entry is a folder: for each of its parts `PART-images.npy` and `PART-labels.npy`, and `index.json` with class names,
hashes and, for groups in folds, the folds' sizes. It gets its name when it is complete.
"""

import json
import logging
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages

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
        if entry.is_dir():
            try:
                return _map_parts(entry)
            except (OSError, ValueError, KeyError) as error:
                _log.warning("%s is damaged and is made again: %s", entry, error)
                shutil.rmtree(entry, ignore_errors=True)
        parts = make()
        try:
            _write_parts(entry, parts)
            return _map_parts(entry)
        except OSError as error:
            _log.info("%s cannot be written, so that each process holds its own images: %s", entry, error)
            return parts

    def list_keys(self) -> list[str]:
        """Return the keys of all entries, in order."""
        return sorted(path.name for path in self._folder.iterdir()) if self._folder.is_dir() else []

    def delete(self, key: str) -> None:
        """Remove an entry; processes that have mapped it can go on reading it."""
        shutil.rmtree(self._folder / key, ignore_errors=True)


def _write_parts(entry: Path, parts: Parts) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    unfinished = entry.with_name(f".{entry.name}.{uuid.uuid4().hex}")
    unfinished.mkdir()
    try:
        for name, part in parts.items():
            np.save(unfinished / f"{name}-images.npy", part.images)
            np.save(unfinished / f"{name}-labels.npy", part.labels)
        index = {
            name: {"class_names": part.class_names, "sha256": part.content_hash()}
            | ({} if part.fold_sizes is None else {"fold_sizes": part.fold_sizes})
            for name, part in parts.items()
        }
        (unfinished / "index.json").write_text(json.dumps(index))
        try:
            unfinished.rename(entry)
        except OSError:
            # Another process was first, with the same content.
            if not entry.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _map_parts(entry: Path) -> Parts:
    parts = {}
    for name, known in json.loads((entry / "index.json").read_text()).items():
        part = LabelledImages(
            images=_map(entry / f"{name}-images.npy"),
            labels=_map(entry / f"{name}-labels.npy"),
            class_names=tuple(known["class_names"]),
            fold_sizes=tuple(known["fold_sizes"]) if "fold_sizes" in known else None,
        )
        if part.content_hash() != known["sha256"]:
            raise ValueError(f"the hash of {name} does not match its content")
        parts[name] = part
    return parts


def _map(path: Path) -> NDArray[Any]:
    # Copy on write, because TensorFlow and JAX copy memory that they could not write to. Nothing writes to it, so that
    # all processes share the pages.
    return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
