"""Draw the small extract of MNIST that stands in `tests/data/mnist` from the four whole files.

    tuner dataset fetch mnist
    python tests/data/make_mnist_extract.py ~/.cache/tuner/data/mnist

writes the same four files each time: of each part as many images of a class as its share of the whole part asks for,
drawn by the seed and kept in the whole part's order.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEED = 20260101
#: How many images of each part are drawn.
PARTS = {"train": 2_000, "t10k": 500}
FOLDER = Path(__file__).with_name("mnist")
#: Bytes before the pixels and before the labels: a magic number, then the length of each axis, 4 bytes each.
IMAGES_HEADER, LABELS_HEADER = 16, 8


def main() -> None:
    """Write the extract's four files."""
    whole = Path(sys.argv[1])
    draw = np.random.default_rng(SEED)
    for part, n_images in PARTS.items():
        images_name, labels_name = f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"
        images = gzip.decompress((whole / images_name).read_bytes())
        labels = np.frombuffer(gzip.decompress((whole / labels_name).read_bytes()), np.uint8, offset=LABELS_HEADER)
        pixels = np.frombuffer(images, np.uint8, offset=IMAGES_HEADER).reshape(len(labels), 28, 28)
        chosen = draw_stratified(labels, n_images, draw)
        write_idx(FOLDER / images_name, pixels[chosen])
        write_idx(FOLDER / labels_name, labels[chosen])


def draw_stratified(labels: NDArray[np.uint8], n_images: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Return the ascending indices of that many images, of each class its share of all labels.

    What rounding down leaves over goes to the classes with the largest remainders.
    """
    share = np.bincount(labels) * (n_images / len(labels))
    counts = share.astype(np.int64)
    counts[np.argsort(counts - share, kind="stable")[: n_images - counts.sum()]] += 1
    drawn = [draw.choice(np.flatnonzero(labels == label), n, replace=False) for label, n in enumerate(counts)]
    return np.sort(np.concatenate(drawn))


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    """Write bytes as a compressed IDX file, without the time, so that equal contents are equal files."""
    header = bytes([0, 0, 8, values.ndim]) + b"".join(length.to_bytes(4, "big") for length in values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes(), mtime=0))


if __name__ == "__main__":
    main()
