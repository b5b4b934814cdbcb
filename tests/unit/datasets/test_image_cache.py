import multiprocessing
import threading
from pathlib import Path

import numpy as np
import pytest

from tuner.datasets.image_cache import ImageCache, Parts
from tuner.datasets.images import LabelledImages


def make_parts() -> Parts:
    rng = np.random.default_rng(0)
    return {
        name: LabelledImages(
            images=rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8),
            labels=rng.integers(0, 3, n),
            class_names=("a", "b", "c"),
        )
        for name, n in (("train", 50), ("validation", 10))
    }


def refuse_to_make() -> Parts:
    raise AssertionError("it is there already")


def hashes(parts: Parts) -> dict[str, str]:
    return {name: part.content_hash() for name, part in parts.items()}


def test_images_are_made_once_and_mapped_afterwards(tmp_path: Path) -> None:
    first = ImageCache(tmp_path / "cache").load("key", make_parts)

    again = ImageCache(tmp_path / "cache").load("key", refuse_to_make)

    assert hashes(first) == hashes(again) == hashes(make_parts())
    assert isinstance(again["train"].images.base, np.memmap)
    assert again["train"].images.ctypes.data % 64 == 0


def test_writing_into_mapped_images_changes_no_other_process_images(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path)
    cache.load("key", make_parts)["train"].images[:] = 0

    assert hashes(cache.load("key", refuse_to_make)) == hashes(make_parts())


@pytest.mark.parametrize("name", ["train-images.npy", "validation-labels.npy", "index.json"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, name: str, damage: str) -> None:
    cache = ImageCache(tmp_path)
    cache.load("key", make_parts)
    file = tmp_path / "key" / name
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        content[-9] ^= 1
        file.write_bytes(content if damage == "flipped" else content[:-9])

    assert hashes(cache.load("key", make_parts)) == hashes(make_parts())
    assert hashes(cache.load("key", refuse_to_make)) == hashes(make_parts())


def test_without_the_right_to_write_each_process_holds_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    parts = ImageCache(tmp_path / "file").load("key", make_parts)

    assert hashes(parts) == hashes(make_parts())


def test_many_may_make_the_same_entry_at_once(tmp_path: Path) -> None:
    barrier, loaded = threading.Barrier(8), []

    def make_together() -> Parts:
        barrier.wait()
        return make_parts()

    threads = [
        threading.Thread(target=lambda: loaded.append(ImageCache(tmp_path).load("key", make_together)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [hashes(parts) for parts in loaded] == [hashes(make_parts())] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def own_memory_kib(folder: Path, answers: "multiprocessing.Queue[int]") -> None:
    """Say how much more memory of its own a process has after reading all images of an entry."""

    def measure() -> int:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous"))

    before = measure()
    images = ImageCache(folder).load("key", refuse_to_make)["train"].images
    int(images.max())
    answers.put(measure() - before)


def test_processes_share_the_memory_of_the_images(tmp_path: Path) -> None:
    images = np.ones((20_000, 28, 28, 1), np.uint8)
    part = LabelledImages(images=images, labels=np.zeros(20_000, np.int64), class_names=("a", "b"))
    ImageCache(tmp_path).load("key", lambda: {"train": part})
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()

    process = context.Process(target=own_memory_kib, args=(tmp_path, answers))
    process.start()
    own_kib = answers.get(timeout=60)
    process.join()

    assert own_kib < images.nbytes / 1024 / 4


def test_entries_can_be_listed_and_deleted(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path / "cache")
    assert cache.list_keys() == []
    cache.load("b", make_parts)
    cache.load("a", make_parts)

    cache.delete("b")

    assert cache.list_keys() == ["a"]
