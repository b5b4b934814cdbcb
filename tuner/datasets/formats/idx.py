"""IDX, the format of MNIST: a magic number, the length of each dimension, then bytes; often gzipped.

Source: http://yann.lecun.com/exdb/mnist/
"""

import gzip
import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from tuner.datasets import large_arrays
from tuner.datasets.formats.arrays import store_array
from tuner.datasets.formats.labels import clean_labels
from tuner.datasets.left_out import VALIDATION_NAMES, LeftOut
from tuner.datasets.reading import (
    FileFormat,
    RawExamples,
    Reader,
    ReadingSettings,
    UnreadableDataError,
    refuse_lfs_pointer,
)

_UNSIGNED_BYTES = 0x08
_MAX_DIMENSIONS = 4
#: The third byte of files of other types.
_OTHER_TYPES = {
    b"\x09": "signed bytes",
    b"\x0b": "integers of 16 bits",
    b"\x0c": "integers of 32 bits",
    b"\x0d": "floats of 32 bits",
    b"\x0e": "floats of 64 bits",
}
_GZIP_MAGIC = b"\x1f\x8b"
#: Deflate expands one byte to 1,032 at most. Source: https://www.zlib.net/zlib_tech.html
_LARGEST_GZIP_RATIO = 1032
_REMEDY = "Replace it with a whole IDX file of unsigned bytes."


@dataclass(frozen=True, kw_only=True)
class IdxFolderReader:
    """A folder with MNIST's four file names, or the first two of them."""

    folder: Path

    @property
    def has_test_set(self) -> bool:
        """Whether images and labels of a test part are there.

        Raises:
            UnreadableDataError: Only one of them is.
        """
        found = [stem for stem in _stems("t10k") if find_idx(self.folder, stem)]
        if len(found) == 1:
            (missing,) = set(_stems("t10k")) - set(found)
            raise UnreadableDataError(
                self.folder,
                f"holds {found[0]} and no {missing}[.gz], expected both or neither",
                remedy="Add it, or remove the other: then a fifth of every class is held out as test set.",
            )
        return bool(found)

    @property
    def left_out(self) -> LeftOut:
        stems = [stem for part in ("train", "t10k") for stem in _stems(part)]
        known = {path.name for stem in stems if (path := find_idx(self.folder, stem))}
        others = sorted({path.name for path in self.folder.iterdir() if "ubyte" in path.name} - known)
        return LeftOut(
            counts=dict.fromkeys(others, 1),
            kinds_are_names=True,
            has_validation_part=any(re.split(r"\W", name.lower())[0] in VALIDATION_NAMES for name in others),
        )

    def read_train(self) -> RawExamples:
        return self._read("train")

    def read_test(self) -> RawExamples:
        return self._read("t10k")

    def _read(self, part: str) -> RawExamples:
        stems = _stems(part)
        images, labels = (find_idx(self.folder, stem) for stem in stems)
        if images is None or labels is None:
            missing = stems[0] if images is None else stems[1]
            raise UnreadableDataError(
                self.folder, f"{missing}[.gz] is missing", remedy="Images and labels must stand side by side."
            )
        return RawExamples(
            images=store_array(read_idx(images), where=images),
            labels=clean_labels(read_idx(labels), where=labels),
        )


def _stems(part: str) -> tuple[str, str]:
    """Return the names of a part's images and labels."""
    return (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")


def _recognise(path: Path, _reading: ReadingSettings) -> Reader | None:
    return IdxFolderReader(folder=path) if any(find_idx(path, stem) for stem in _stems("train")) else None


IDX = FileFormat(
    name="a folder of IDX files",
    descriptions=(f"a folder with {' and '.join(f'{stem}[.gz]' for stem in _stems('train'))}",),
    recognise=_recognise,
)


def idx_file_names(stem: str) -> tuple[str, ...]:
    """Return the possible names of an IDX file: gzipped or not, also with a dot as in `train-images.idx3-ubyte`."""
    dotted = stem.replace("-idx", ".idx")
    return (f"{stem}.gz", stem, f"{dotted}.gz", dotted)


def find_idx(folder: Path, stem: str) -> Path | None:
    """Return the file of one of these names, or None."""
    return next((folder / name for name in idx_file_names(stem) if (folder / name).is_file()), None)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes.

    Raises:
        UnreadableDataError: The file is missing, truncated, longer than its header says, too big, or no such file.
    """
    try:
        refuse_lfs_pointer(path)
        with path.open("rb") as file:
            # The name does not show it: browsers and tools unpack files and keep their names, or the reverse.
            is_packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if not is_packed:
                return _decode(file, path, largest_ratio=1)
            with gzip.open(file) as content:
                return _decode(cast("BinaryIO", content), path, largest_ratio=_LARGEST_GZIP_RATIO)
    except EOFError as error:
        raise UnreadableDataError(path, "the gzip stream is truncated", remedy=_REMEDY) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableDataError(path, f"is no valid gzip file ({error})", remedy=_REMEDY) from error
    except OSError as error:
        problem = error.strerror or str(error)
        raise UnreadableDataError(path, problem, remedy="Check the path and who may read it.") from error


def _decode(file: BinaryIO, path: Path, *, largest_ratio: int) -> NDArray[np.uint8]:
    """Read an array from a file of which each byte holds at most `largest_ratio` values."""
    magic = file.read(4)
    n_dimensions = magic[3] if len(magic) == 4 else 0  # noqa: PLR2004 - the magic number's length
    if not magic:
        raise UnreadableDataError(path, "is empty", remedy=_REMEDY)
    if magic[:2] == bytes(2) and magic[2:3] in _OTHER_TYPES:
        problem = f"holds {_OTHER_TYPES[magic[2:3]]}, expected unsigned bytes"
        raise UnreadableDataError(path, problem, remedy="Store such arrays in an .npz file as x_train and y_train.")
    if magic[:3] != bytes([0, 0, _UNSIGNED_BYTES]) or not 1 <= n_dimensions <= _MAX_DIMENSIONS:
        raise UnreadableDataError(path, f"begins with {magic.hex()}, expected 0000080N", remedy=_REMEDY)
    lengths = file.read(4 * n_dimensions)
    if len(lengths) < 4 * n_dimensions:
        raise UnreadableDataError(path, "is truncated within its header", remedy=_REMEDY)
    shape = struct.unpack(f">{n_dimensions}I", lengths)
    n_expected = math.prod(shape)
    n_possible = path.stat().st_size * largest_ratio
    if n_expected > n_possible:  # `read` would reserve the promised memory at once
        raise UnreadableDataError(
            path, f"its header promises {n_expected} values, it holds at most {n_possible}", remedy=_REMEDY
        )
    begin = file.tell()
    if largest_ratio == 1 and n_possible - begin == n_expected > large_arrays.LARGEST_IN_MEMORY:
        # The file itself is the array.
        return np.asarray(np.memmap(path, np.uint8, "r", offset=begin, shape=shape))
    array = large_arrays.empty_array(shape, np.uint8, where=path)
    n_held = large_arrays.read_into(file, array) + len(file.read(1))
    if n_held != n_expected:
        received = f"{n_held}" if n_held < n_expected else f"more than {n_expected}"
        raise UnreadableDataError(path, f"holds {received} values, its header promises {n_expected}", remedy=_REMEDY)
    return array
