"""Decoded pictures: by several threads, once a machine, and never half."""

import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import draw_images, write_picture
from PIL import Image

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import LabelledImages
from tuner.datasets.pictures import cache, decoding
from tuner.datasets.pictures.cache import PictureCache
from tuner.datasets.pictures.progress import tell_decoding
from tuner.datasets.reading import DecodedPictures, ReadingSettings, UnreadableDataError
from tuner.datasets.test_set import load_test_set

N_PICTURES = 100


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hundred small pictures, which are kept although they are few."""
    monkeypatch.setattr(cache, "_FEWEST_BYTES", 1)
    monkeypatch.setattr(decoding, "_N_AT_ONCE", 10)
    for index, pixels in enumerate(draw_images(N_PICTURES)):
        write_picture(tmp_path / "own" / "train" / "ab"[index % 2] / f"{index:02}.png", pixels)
    for index, pixels in enumerate(draw_images(6, seed=1)):
        write_picture(tmp_path / "own" / "test" / "ab"[index % 2] / f"{index}.png", pixels)
    return tmp_path / "own"


def load(folder: Path, *, on_progress: Any = lambda *_: None, kept: bool = True) -> LabelledImages:
    decoded = DecodedPictures(folder=folder.parent / "cache" if kept else None, on_progress=on_progress)
    return open_dataset(str(folder), data_dir=folder, reading=ReadingSettings(decoded=decoded)).load_train()


def is_mapped(array: Any) -> bool:
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None


def hash_of(folder: Path) -> str:
    return load(folder).content_hash()


def entries(folder: Path) -> list[Path]:
    return [path for path in (folder.parent / "cache").iterdir() if not path.name.startswith(".")]


def test_pictures_are_decoded_once_with_progress_and_then_mapped(folder: Path) -> None:
    seen: list[tuple[int, int]] = []

    first = load(folder, on_progress=lambda *numbers: seen.append(numbers))
    n_seen = len(seen)
    again = load(folder, on_progress=lambda *numbers: seen.append(numbers))

    assert seen == [(done, N_PICTURES) for done in range(10, N_PICTURES + 1, 10)]
    assert n_seen == len(seen)
    assert first.content_hash() == again.content_hash() == load(folder, kept=False).content_hash()
    assert is_mapped(again.images)
    assert len(entries(folder)) == 1


def test_small_folders_are_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_FEWEST_BYTES", 2**20)

    load(folder)

    assert not (folder.parent / "cache").exists()


@pytest.mark.parametrize("change", ["another", "newer", "gone"])
def test_a_folder_that_has_changed_is_decoded_again(folder: Path, change: str) -> None:
    before = hash_of(folder)
    path = folder / "train" / "a" / "00.png"
    if change == "gone":
        path.unlink()
    else:
        write_picture(path, draw_images(1, seed=7)[0])
        os.utime(path, ns=(0, path.stat().st_mtime_ns + (change == "newer")))

    assert hash_of(folder) != before


def test_a_decoder_that_was_ended_is_continued(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load(folder, kept=False).content_hash()

    def end_after_half(n_done: int, _: int) -> None:
        if n_done == N_PICTURES // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(folder, on_progress=end_after_half)
    assert not entries(folder)
    read: list[Path] = []
    decode = decoding.decode_picture
    monkeypatch.setattr(
        decoding, "decode_picture", lambda path, **options: (read.append(path), decode(path, **options))[1]
    )

    assert hash_of(folder) == whole
    assert len(read) == N_PICTURES // 2


def test_an_array_that_became_wider_is_kept_whole(folder: Path) -> None:
    pixels = np.zeros((6, 5, 4), np.uint8)
    pixels[2:4, 2:4] = 200
    Image.fromarray(pixels).save(folder / "train" / "b" / "zz.png")

    whole = load(folder, kept=False)

    assert hash_of(folder) == hash_of(folder) == whole.content_hash()
    assert len(list(entries(folder)[0].glob("values-*.npy"))) == 1


@pytest.mark.parametrize("name", ["facts.npy", "index.json", "values"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_entry_is_made_again(folder: Path, name: str, damage: str) -> None:
    before = hash_of(folder)
    path = next(path for path in entries(folder)[0].iterdir() if path.name.startswith(name))
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-9])

    assert hash_of(folder) == before


def test_a_broken_picture_leaves_nothing_behind(folder: Path) -> None:
    path = folder / "train" / "a" / "00.png"
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(UnreadableDataError, match=r"train/a/00\.png does not decode"):
        load(folder)

    assert not [path for path in (folder.parent / "cache").iterdir() if path.is_dir()]


def test_where_nothing_can_be_written_pictures_are_in_memory(folder: Path) -> None:
    (folder.parent / "cache").write_text("a file where the folder should be", encoding="utf-8")

    assert hash_of(folder) == load(folder, kept=False).content_hash()


def test_processes_that_begin_at_once_decode_once(folder: Path) -> None:
    whole = load(folder, kept=False).content_hash()

    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert pool.map(hash_of, [folder] * 3) == [whole] * 3

    assert len(entries(folder)) == 1


def test_the_test_part_does_not_decode_the_training_part_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(folder)
    read: list[Path] = []
    header = decoding.picture_header
    monkeypatch.setattr(decoding, "picture_header", lambda path: (read.append(path), header(path))[1])
    reading = ReadingSettings(decoded=DecodedPictures(folder=folder.parent / "cache"))

    assert len(load_test_set(str(folder), data_dir=folder, reading=reading)) == 6
    assert {path.parts[-3] for path in read} == {"test"}


def test_what_nobody_reads_for_a_week_is_unused(folder: Path) -> None:
    load(folder)
    cache = PictureCache(folder.parent / "cache")
    assert not cache.list_unused()
    for path in (folder.parent / "cache").iterdir():
        os.utime(path, (0, time.time() - 8 * 24 * 3600))

    unused = cache.list_unused()
    for key in unused:
        cache.delete(key)

    assert len(unused) >= 1
    assert not list((folder.parent / "cache").iterdir())


def test_an_index_says_what_the_headers_said(folder: Path) -> None:
    load(folder)

    layout = json.loads((entries(folder)[0] / "index.json").read_text())["layout"]

    assert layout == {"size": [6, 5], "n_pictures": 100, "n_in_colour": 0, "n_other_profiles": 0, "most_pixels": 30}


def test_how_far_decoding_is_is_told_at_intervals() -> None:
    told: list[str] = []

    often, seldom = tell_decoding(told.append, interval_s=0), tell_decoding(told.append, interval_s=60)
    often(256, 10_000)
    seldom(512, 10_000)

    assert told == ["Decoded 256 of 10,000 pictures."]
