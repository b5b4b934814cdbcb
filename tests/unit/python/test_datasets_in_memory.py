import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import LabelledImages
from tuner.datasets.reading import ReadingSettings
from tuner.errors import TunerError
from tuner.python.datasets import DatasetGivenError, place_dataset

X = np.arange(40 * 6 * 6, dtype=np.uint8).reshape(40, 6, 6)
Y = np.arange(40) % 4


def read(dataset: Any, home: Path) -> LabelledImages:
    return open_dataset(place_dataset(dataset, home=home), data_dir=home).load_train()


def test_names_and_paths_stay_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert place_dataset("digits", home=tmp_path) == "digits"
    assert place_dataset(Path("own"), home=tmp_path) == str(tmp_path / "own")


def test_arrays_are_a_dataset_of_which_a_fifth_is_held_out(tmp_path: Path) -> None:
    images = read((X, Y), tmp_path)

    assert len(images) == 32
    assert images.class_names == ("0", "1", "2", "3")


def test_images_of_one_size_that_are_objects_are_an_array(tmp_path: Path) -> None:
    images = np.empty(len(X), object)
    images[:] = list(X)

    assert place_dataset((images, Y), home=tmp_path) == place_dataset((X, Y), home=tmp_path)


def test_equal_arrays_are_stored_once_and_others_apart(tmp_path: Path) -> None:
    places = [
        place_dataset(given, home=tmp_path) for given in ((X, Y), [X.copy(), Y.tolist()], (X, Y + 1), (X[::-1], Y))
    ]

    assert places[0] == places[1]
    assert len(set(places)) == 3
    assert len(list((tmp_path / "datasets").iterdir())) == 3


def test_a_second_pair_is_the_test_part(tmp_path: Path) -> None:
    place = place_dataset(((X, Y), (X[:4], Y[:4])), home=tmp_path)

    assert len(open_dataset(place, data_dir=tmp_path).load_train()) == 40
    with np.load(place) as stored:
        assert sorted(stored) == ["x_test", "x_train", "y_test", "y_train"]


@pytest.mark.parametrize(
    "labels", [np.eye(4)[Y], Y[:, np.newaxis], Y.astype(float), np.array(list("abcd"), object)[Y], Y.astype(object)]
)
def test_labels_of_every_kind_are_classes(tmp_path: Path, labels: NDArray[Any]) -> None:
    images = read((X, labels), tmp_path)

    assert images.image_format.n_classes == 4
    assert np.bincount(images.labels).tolist() == [8, 8, 8, 8]


def test_validation_data_and_groups_go_with_arrays(tmp_path: Path) -> None:
    patients = [f"p{index // 4}" for index in range(40)]
    place = place_dataset((X, Y), home=tmp_path, validation_data=(X[:8], Y[:8]), groups=patients)

    reading = ReadingSettings(group="group")
    images = open_dataset(place, data_dir=tmp_path, reading=reading).load_train()

    assert images.is_validation is not None
    assert images.groups is not None
    assert images.is_validation.sum() == 8
    assert len(np.unique(images.groups[~images.is_validation])) == 8


@pytest.mark.parametrize(
    ("dataset", "given", "told"),
    [
        ("digits", {"validation_data": (X, Y)}, "validation_data goes with arrays, and the dataset is a name or path"),
        (Path("own"), {"groups": [1]}, "groups goes with arrays, and the dataset is a name or path. Give the name of"),
        ((X, Y), {"groups": [1, 2]}, "groups have the shape (2,), the training part 40 images"),
        ((X, Y), {"groups": [1.0, np.nan] * 20}, "the group of image 1 (counted from 0) is missing"),
        ((X, Y), {"groups": ["p", " "] * 20}, "the group of image 1 (counted from 0) is missing"),
        ((X, Y), {"validation_data": X}, "received ndarray of shape (40, 6, 6) as the val part"),
        ((X, Y), {"validation_data": (X, Y[:3])}, "the val part has 40 images and 3 labels"),
    ],
)
def test_validation_data_and_groups_that_do_not_fit_are_told(
    tmp_path: Path, dataset: Any, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(TunerError, match=re.escape(told)):
        place_dataset(dataset, home=tmp_path, **given)


def refused() -> Iterator[tuple[Any, str]]:
    yield (X, Y, X), "received 3 things. Expected a name"
    yield X, "received ndarray of shape (40, 6, 6) as the train part"
    yield {"x": X}, "received dict as the train part"
    yield (X, Y[:5]), "the train part has 40 images and 5 labels"
    yield ({"a": X}, Y), "x_train is dict: several inputs or outputs"
    yield ([X[0], X[0][:3]], [0, 1]), "x_train is no array"
    yield (np.array([X[0], None], object), [0, 1]), "x_train holds Python objects (NoneType, ndarray). Give all images"
    yield (X, [None, *"abc" * 13]), "y_train holds Python objects (NoneType, str). Give numbers alone or text alone"
    yield (np.ma.masked_less(X, 9), Y), "x_train has masked values. Fill them in"


@pytest.mark.parametrize(("dataset", "told"), list(refused()))
def test_what_is_no_dataset_is_one_line_and_stores_nothing(tmp_path: Path, dataset: Any, told: str) -> None:
    with pytest.raises(DatasetGivenError, match=re.escape(told)) as raised:
        place_dataset(dataset, home=tmp_path)

    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "datasets").write_text("a file")

    with pytest.raises(DatasetGivenError, match=r"cannot be written to .* Free some space, or set TUNER_HOME"):
        place_dataset((X, Y), home=tmp_path)
