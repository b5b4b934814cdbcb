"""Datasets that are larger than what may be in memory: read, understood, divided and kept as small ones are."""

import gzip
import multiprocessing
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tuner.datasets import large_arrays, stored_rows
from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import LabelledImages
from tuner.datasets.large_arrays import GrowingArray, empty_array, take_rows
from tuner.datasets.reading import UnreadableDataError
from tuner.datasets.stored_rows import RowsOf, read_rows, windows
from tuner.datasets.test_set import load_test_set

#: Bytes up to which an array is in memory in these tests: less than any dataset here has.
_LIMIT = 2**10
_N = 40


@pytest.fixture
def _low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_arrays, "LARGEST_IN_MEMORY", _LIMIT)


def _pictures(n: int = _N, *, seed: int = 0, channels: int = 1) -> np.ndarray:
    images = np.random.default_rng(seed).integers(0, 256, (n, 8, 8, channels), dtype=np.uint8)
    images[:, 2:6, 2:6] = 255
    images[:, 0] = images[:, -1] = 0
    return images


def _labels(n: int = _N) -> np.ndarray:
    return np.arange(n) % 4


def _write_npz(folder: Path, save: Callable[..., None]) -> Path:
    path = folder / "data.npz"
    test = {"x_test": _pictures(seed=1), "y_test": _labels()}
    save(path, x_train=_pictures(), y_train=_labels(), **test)
    return path


def _write_floats(folder: Path) -> Path:
    path = folder / "floats.npz"
    np.savez(path, x_train=_pictures() / np.float32(255), y_train=_labels())
    return path


def _write_idx(folder: Path, *, packed: bool) -> Path:
    for stem, array in (
        ("train-images-idx3-ubyte", _pictures()[..., 0]),
        ("train-labels-idx1-ubyte", _labels().astype(np.uint8)),
    ):
        content = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
        if packed:
            (folder / f"{stem}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / stem).write_bytes(content)
    return folder


def _write_csv(folder: Path) -> Path:
    path = folder / "table.csv"
    names = ",".join(["label", *(f"pixel{index}" for index in range(64))])
    rows = [
        f"{label}," + ",".join(map(str, image.ravel())) for image, label in zip(_pictures(), _labels(), strict=True)
    ]
    path.write_text("\n".join([names, *rows]) + "\n")
    return path


def _write_folders(folder: Path, *, mode: str) -> Path:
    for index, (image, label) in enumerate(zip(_pictures(channels=3), _labels(), strict=True)):
        path = folder / "pictures" / f"class {label}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(image).convert(mode)
        if mode == "RGBA":
            picture.putalpha(Image.fromarray(image[..., 0]))
        picture.save(path)
    return folder / "pictures"


FILES: dict[str, Callable[[Path], Path]] = {
    "npz": lambda folder: _write_npz(folder, np.savez),
    "compressed npz": lambda folder: _write_npz(folder, np.savez_compressed),
    "floats": _write_floats,
    "idx": lambda folder: _write_idx(folder, packed=False),
    "packed idx": lambda folder: _write_idx(folder, packed=True),
    "csv": _write_csv,
    "folders": lambda folder: _write_folders(folder, mode="RGB"),
    "transparent folders": lambda folder: _write_folders(folder, mode="RGBA"),
}


def _is_on_disk(array: Any) -> bool:
    """Say whether the array, or the one that it has rows of, is a mapped file."""
    array = array.array if isinstance(array, RowsOf) else array
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None


@pytest.mark.parametrize("kind", FILES)
def test_a_dataset_on_disk_is_understood_as_the_one_in_memory(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = FILES[kind](tmp_path)

    def read() -> tuple[Any, ...]:
        part = open_dataset(str(path), data_dir=tmp_path).read_training_part()
        test = load_test_set(str(path), data_dir=tmp_path)
        return part.images, test, part.pixels, part.warnings

    images, test, *understood = read()
    monkeypatch.setattr(large_arrays, "LARGEST_IN_MEMORY", _LIMIT)
    monkeypatch.setattr(stored_rows, "WINDOW_BYTES", 300)
    large, large_test, *understood_large = read()

    assert _is_on_disk(large.images)
    assert understood_large == understood
    assert large.content_hash() == images.content_hash()
    assert large_test.content_hash() == test.content_hash()


def test_rows_of_a_mapped_file_are_those_of_memory_in_any_order(tmp_path: Path) -> None:
    images = _pictures(300)
    np.save(tmp_path / "images.npy", images)
    mapped = np.asarray(np.load(tmp_path / "images.npy", mmap_mode="r"))

    for rows in (np.arange(300), np.array([7, 3, 299, 3]), np.array([], np.intp), np.arange(0, 300, 50)):
        for array, expected in ((mapped, images), (mapped[20:], images[20:]), (images, images)):
            inside = rows[rows < len(array)]
            taken = read_rows(array, inside)
            np.testing.assert_array_equal(taken, expected[inside])
            assert not len(taken) or taken.ctypes.data % 64 == 0


@pytest.mark.usefixtures("_low_limit")
def test_many_rows_of_an_array_are_used_as_an_array_is() -> None:
    images = LabelledImages(images=_pictures(), labels=_labels(), class_names=("a", "b", "c", "d"))
    rows, again = np.random.default_rng(0).permutation(_N), np.arange(_N)[::-1]
    expected = images.images[rows][again]

    taken = images.take(rows).take(again).images

    assert isinstance(taken, RowsOf)
    assert taken.array is images.images
    assert (taken.shape, taken.dtype, taken.nbytes, len(taken)) == (
        expected.shape,
        expected.dtype,
        expected.nbytes,
        len(expected),
    )
    for place in (3, slice(2, 5), np.array([4, 1]), (slice(2, 5), ..., 0), (1, 2), slice(None)):
        np.testing.assert_array_equal(taken[place], expected[place])
    np.testing.assert_array_equal(np.asarray(taken), expected)
    np.testing.assert_array_equal(list(taken), list(expected))
    np.testing.assert_array_equal(read_rows(taken, np.array([5, 2])), expected[[5, 2]])
    assert isinstance(take_rows(taken, np.array([1])), np.ndarray)


@pytest.mark.usefixtures("_low_limit")
@pytest.mark.parametrize("types", [("u1", "u1", "u1"), ("u1", "i4", "u1"), ("u1", "i4", "f4"), ("f4", "u1", "u1")])
def test_pieces_become_the_array_that_numpy_makes_of_them(types: tuple[str, ...]) -> None:
    pieces = [np.arange(index, index + 600).reshape(100, 6).astype(kind) for index, kind in enumerate(types)]
    with GrowingArray(where="here") as growing:
        for piece in pieces:
            growing.append(piece)

        array = growing.to_array()

    expected = np.concatenate(pieces)
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


@pytest.mark.usefixtures("_low_limit")
def test_what_the_disk_has_no_room_for_is_refused_with_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_arrays, "free_disk_bytes", lambda _: 3 * 2**30)

    with pytest.raises(
        UnreadableDataError,
        match=r"1000 x 2048 x 2048 values, 3\.9 GiB decoded, and 3\.0 GiB of disk are free in /.*TMPDIR",
    ):
        empty_array((1000, 2048, 2048), np.uint8, where="data.npz")


def _memory_of_reading(path: Path, answers: "multiprocessing.Queue[tuple[int, str]]") -> None:
    def own_kib() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

    large_arrays.LARGEST_IN_MEMORY = 2**20
    before = own_kib()
    images = open_dataset(str(path), data_dir=path.parent).load_train()
    answers.put((own_kib() - before, images.content_hash()))


def test_a_process_does_not_hold_the_images_that_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    images = np.random.default_rng(0).integers(0, 256, (60_000, 32, 32, 1), dtype=np.uint8)
    np.savez(path, x_train=images, y_train=np.arange(60_000) % 4, x_test=images[:8], y_test=np.arange(8) % 4)
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()

    process = context.Process(target=_memory_of_reading, args=(path, answers))
    process.start()
    own_kib, _ = answers.get(timeout=60)
    process.join()

    # 60 MB of images; digests of pictures, the polarity of a window and labels take the most.
    assert own_kib < 45_000


@pytest.mark.usefixtures("_low_limit")
def test_windows_cover_all_rows() -> None:
    array = empty_array((_N, 64), np.uint8, where="here")

    assert [*range(_N)] == [row for window in windows(array, window_bytes=300) for row in range(_N)[window]]
