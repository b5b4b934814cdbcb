import errno
import logging
import multiprocessing
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.datasets import image_cache, large_arrays, single_builder
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


def test_one_makes_an_entry_while_the_others_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_builder, "_TELL_EVERY_S", 0.1)
    may_end, loaded, made = threading.Event(), [], []

    def make_slowly() -> Parts:
        made.append(may_end.wait(timeout=30))
        return make_parts()

    threads = [
        threading.Thread(target=lambda: loaded.append(ImageCache(tmp_path).load("key", make_slowly))) for _ in range(4)
    ]
    with caplog.at_level(logging.INFO, logger="tuner.datasets"):
        for thread in threads:
            thread.start()
        while (
            caplog.text.count("Waiting for another process of this machine, which makes the images of this study") < 3
        ):
            threads[0].join(timeout=0.01)
        may_end.set()
        for thread in threads:
            thread.join()

    assert [hashes(parts) for parts in loaded] == [hashes(make_parts())] * 4
    assert made == [True]
    assert ImageCache(tmp_path).list_keys() == ["key"]


def die_while_writing(folder: Path) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    image_cache._stamp = die  # type: ignore[assignment] # after the images are written, before the entry is complete
    ImageCache(folder).load("key", make_parts)


def test_who_waits_for_a_process_that_is_killed_goes_on_in_its_place(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=die_while_writing, args=(tmp_path,))
    process.start()
    process.join()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert ImageCache(tmp_path).list_keys() == ["key"]

    parts = ImageCache(tmp_path).load("key", make_parts)

    assert left == [".key.lock", ".key.unfinished"]
    assert hashes(parts) == hashes(make_parts())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".key.lock", "key"]


def test_of_large_images_it_is_enough_that_nobody_has_written_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_arrays, "LARGEST_IN_MEMORY", 0)
    cache = ImageCache(tmp_path)
    cache.load("key", make_parts)
    with monkeypatch.context() as patched:
        patched.setattr(LabelledImages, "content_hash", lambda _: "not asked for")
        cache.load("key", refuse_to_make)
    with (tmp_path / "key/train-images.npy").open("r+b") as file:
        file.seek(-9, os.SEEK_END)
        file.write(b"x")

    assert hashes(cache.load("key", make_parts)) == hashes(make_parts())


def test_images_for_whose_changes_there_is_no_memory_are_mapped_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ImageCache(tmp_path)
    cache.load("key", make_parts)
    load = np.load

    def refuse_private(path: Path, *, mmap_mode: str, **options: Any) -> Any:
        if mmap_mode == "c":
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return load(path, mmap_mode=mmap_mode, **options)

    monkeypatch.setattr(np, "load", refuse_private)

    parts = cache.load("key", refuse_to_make)

    assert hashes(parts) == hashes(make_parts())
    assert not parts["train"].images.flags.writeable


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(large_arrays, "reserve", refuse)

    parts = ImageCache(tmp_path).load("key", make_parts)

    assert hashes(parts) == hashes(make_parts())
    assert [path.name for path in tmp_path.iterdir()] == [".key.lock"]


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
    # Of a process that was killed.
    (tmp_path / "cache/.b.unfinished").mkdir()

    cache.delete("b")

    assert cache.list_keys() == ["a"]
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [".a.lock", "a"]
