"""Small files of every kind that datasets come in."""

import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuner.datasets.images import LabelledImages

#: The fixture `load_train`: a name or path, and perhaps `resize=(height, width)`.
Load = Callable[..., LabelledImages]


def draw_images(n_images: int, *, height: int = 6, width: int = 5, seed: int = 0) -> NDArray[np.uint8]:
    """Bright blots on black, no two alike: uint8, shape (n, height, width)."""
    images = np.zeros((n_images, height, width), np.uint8)
    images[:, 1:-1, 1:-1] = np.random.default_rng(seed).integers(128, 256, (n_images, height - 2, width - 2))
    return images


def encode_idx(array: NDArray[np.uint8]) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx_pair(folder: Path, images: NDArray[np.uint8], labels: Any, *, part: str = "train") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(encode_idx(images)))
    (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(encode_idx(np.asarray(labels, np.uint8))))


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_csv(path: Path, pixels: NDArray[Any], labels: list[Any], *, names: list[str] | None = None) -> None:
    names = names or ["label", *(f"pixel{number}" for number in range(pixels.shape[1]))]
    rows = [",".join(map(str, [label, *row])) for label, row in zip(labels, pixels.tolist(), strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([",".join(names), *rows]) + "\n", encoding="utf-8")


def png_of_deep_colours(pixels: NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bits a colour, red, green and blue alike, which Pillow reads and does not write."""
    height, width = pixels.shape
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
