"""Images of a study: read as the study has stored, and for studies of version 0.1.0 as that version read them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import LabelledImages
from tuner.jobs.study import data
from tuner.jobs.study.data import DataChangedError, DataPlaces, DataUnavailableError, StudyData
from tuner.studies.definitions.making import make_definition
from tuner.training.plan import TrainingData

BYTES = np.random.default_rng(0).integers(0, 256, (40, 6, 6)).astype(np.uint8)
LABELS = np.arange(40) % 2


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., LabelledImages]:
    """Write an archive and load a study's training images of it; the archive brings its own test part."""

    def load(images: NDArray[Any], content_hash: str, pixels: Any = None) -> LabelledImages:
        np.savez(tmp_path / "own.npz", x_train=images, y_train=LABELS, x_test=images[:2], y_test=LABELS[:2])
        definition = make_definition(space="mlp", dataset=str(tmp_path / "own.npz"))
        places = DataPlaces(data_dir=tmp_path, cache_dir=tmp_path / "cache")
        images_of_study = StudyData(definition=definition, data_sha256=content_hash, pixels=pixels, places=places)
        return images_of_study.load_for_search().train

    return load


def hash_before(images: NDArray[np.uint8]) -> str:
    """The content hash that version 0.1.0 stored of these bytes."""
    return LabelledImages(images=images[..., np.newaxis], labels=LABELS, class_names=("0", "1")).content_hash()


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(BYTES, id="bytes"),
        pytest.param(BYTES / 255, id="floats"),
        pytest.param((BYTES / 255).astype(np.float32), id="float32"),
        pytest.param(BYTES.astype(np.int64), id="int64"),
    ],
)
def test_a_study_of_the_first_version_goes_on_with_ordinary_images(
    load: Callable[..., LabelledImages], stored: NDArray[Any]
) -> None:
    assert len(load(stored, hash_before(BYTES))) == 36


@pytest.mark.parametrize("stored", [BYTES // 3, BYTES // 3 / 255], ids=["bytes", "floats"])
def test_a_study_of_the_first_version_goes_on_with_dark_images(
    load: Callable[..., LabelledImages], stored: NDArray[Any]
) -> None:
    assert load(stored, hash_before(BYTES // 3)).images.max() == 85


def test_a_study_of_the_first_version_stops_where_its_images_are_read_otherwise_now(
    load: Callable[..., LabelledImages],
) -> None:
    with pytest.raises(DataChangedError, match=r"or this version reads its pixels differently from version 0\.1\.0"):
        load(BYTES // 16, hash_before(BYTES // 16))


def test_a_changed_file_of_a_study_is_told_without_a_word_of_versions(
    load: Callable[..., LabelledImages], tmp_path: Path
) -> None:
    np.savez(tmp_path / "own.npz", x_train=BYTES, y_train=LABELS)
    pixels = open_dataset(str(tmp_path / "own.npz"), data_dir=tmp_path).read_training_part().pixels_to_json()

    with pytest.raises(DataChangedError) as caught:
        load(BYTES[::-1], hash_before(BYTES), pixels)

    assert "version" not in str(caught.value)


def test_what_a_study_has_stored_is_not_decided_again(load: Callable[..., LabelledImages], tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x_train=BYTES // 16, y_train=LABELS)
    pixels = open_dataset(str(tmp_path / "own.npz"), data_dir=tmp_path).read_training_part().pixels_to_json()

    with pytest.raises(DataUnavailableError, match="from 0 to 255, expected 0 to 15 as in training"):
        load(BYTES, hash_before(BYTES), pixels)


def write_parts(path: Path, **more: Any) -> None:
    np.savez(path, x_train=BYTES[:30], y_train=LABELS[:30], x_val=BYTES[30:], y_val=LABELS[30:], **more)


def load_all(
    tmp_path: Path,
    load: Callable[..., TrainingData] = StudyData.load_for_search,
    *,
    overrides: list[str],
    **options: Any,
) -> TrainingData:
    definition = make_definition(space="mlp", dataset=str(tmp_path / "own.npz"), overrides=overrides)
    opened = open_dataset(definition.dataset, data_dir=tmp_path, reading=definition.data.reading)
    part = opened.read_training_part()
    places = DataPlaces(data_dir=tmp_path, cache_dir=tmp_path / "cache")
    images = StudyData(
        definition=definition, data_sha256=part.images.content_hash(), pixels=part.pixels_to_json(), places=places
    )
    return load(images, **options)


def test_the_datasets_validation_set_scores_and_finals_train_on_it_too(tmp_path: Path) -> None:
    write_parts(tmp_path / "own.npz")

    loads = (StudyData.load_for_search, StudyData.load_for_finals)
    search, final = (load_all(tmp_path, load, overrides=[]) for load in loads)
    apart = load_all(tmp_path, StudyData.load_for_finals, overrides=["finals.train_on=train"])

    assert search.validation is not None
    np.testing.assert_array_equal(search.validation.images[..., 0], BYTES[30:])
    assert len(search.train) == 24
    assert (len(final.train), final.validation) == (34, None)
    assert (len(apart.train), len(apart.validation or [])) == (24, 10)


def test_a_study_of_the_first_version_goes_on_without_the_validation_set(tmp_path: Path) -> None:
    np.savez(tmp_path / "old.npz", x_train=BYTES, y_train=LABELS, x_test=BYTES[:2], y_test=LABELS[:2])
    np.savez(
        tmp_path / "own.npz", x_train=BYTES, y_train=LABELS, x_test=BYTES[:2], y_test=LABELS[:2], x_val=BYTES[:4],
        y_val=LABELS[:4],
    )  # fmt: skip
    definition = make_definition(space="mlp", dataset=str(tmp_path / "own.npz"))
    places = DataPlaces(data_dir=tmp_path, cache_dir=tmp_path / "cache")

    images = StudyData(definition=definition, data_sha256=hash_before(BYTES), pixels=None, places=places)
    data = images.load_for_search()

    assert (len(data.train), len(data.validation or [])) == (36, 4)


@pytest.mark.parametrize("n_loads", [1, 2])
def test_folds_by_groups_have_their_sizes_from_the_cache_too(tmp_path: Path, n_loads: int) -> None:
    images = np.zeros((60, 6, 6), np.uint8)
    groups = np.repeat(np.arange(12), [2, 8] * 6)
    images[:, 0, 0], images[:, 1, 1] = groups, 255
    np.savez(tmp_path / "own.npz", x_train=images, y_train=np.arange(60) % 2, x_test=images[:2], y_test=[0, 1],
             patient=groups)  # fmt: skip
    overrides = ["data.folds=3", "data.group=patient", "data.invert=false"]
    for _ in range(n_loads):
        data._map.cache_clear()
        data._load.cache_clear()
        folds = [load_all(tmp_path, overrides=overrides, fold=fold) for fold in (1, 2, 3)]

    found = [set(fold.validation.images[:, 0, 0, 0].tolist()) for fold in folds if fold.validation]
    assert sum(len(fold.validation or []) for fold in folds) == 60
    assert len(found[0] | found[1] | found[2]) == sum(map(len, found)) == 12
    for fold, validated in zip(folds, found, strict=True):
        assert not validated & set(fold.train.images[:, 0, 0, 0].tolist())
