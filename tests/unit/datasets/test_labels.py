"""Labels as people store them: each becomes the class that a reader of the file would name, or one clear line."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import Load, draw_images
from numpy.typing import NDArray

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.formats.labels import (
    LabelOutsideClassesError,
    TooFewClassesError,
    doubts_about,
    index_by_name,
    name_classes,
)
from tuner.datasets.reading import UnreadableDataError
from tuner.datasets.test_set import load_test_set

IMAGES = draw_images(20)


def pairs(first: Any, second: Any, dtype: Any = None) -> NDArray[Any]:
    """Twenty labels, of two classes in turn."""
    return np.array([first, second] * 10, dtype)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own.npz"


@pytest.mark.parametrize(
    ("labels", "class_names"),
    [
        pytest.param(pairs(3, 2**63 + 1, np.uint64), ("3", "9223372036854775809"), id="above int64"),
        pytest.param(pairs(3, 2**64 - 1, np.uint64), ("3", "18446744073709551615"), id="largest uint64"),
        pytest.param(pairs(3, 2**63 - 1, np.uint64), ("3", "9223372036854775807"), id="largest int64"),
        pytest.param(pairs(-(2**63), 1, np.int64), ("-9223372036854775808", "1"), id="smallest int64"),
        pytest.param(pairs(True, False), ("0", "1"), id="booleans"),
        pytest.param(pairs(b"cat", "é".encode()), ("cat", "é"), id="bytes"),
        pytest.param(pairs("1", "1.0"), ("1", "1.0"), id="numbers as text"),
        pytest.param(pairs(" cat", "cat"), (" cat", "cat"), id="blanks around"),
        pytest.param(pairs(2.0**53, 1.0), ("1", "9007199254740992"), id="large float"),
    ],
)
def test_a_label_is_the_class_of_its_value(
    path: Path, load_train: Load, labels: NDArray[Any], class_names: tuple[str, ...]
) -> None:
    np.savez(path, x_train=IMAGES, y_train=labels)

    data = load_train(path)

    assert data.class_names == class_names
    assert np.bincount(data.labels).tolist() == [8, 8]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param(pairs("a", ""), r"the label of image 1 \(counted from 0\) is '', expected a name", id="empty"),
        pytest.param(pairs("a", "  "), r"image 1 .* is ' ', expected a name", id="blank"),
        pytest.param(pairs("NaN", "a"), r"image 0 .* is 'NaN', expected a name", id="NaN as text"),
        pytest.param(pairs(1.0, np.nan), r"image 1 .* is nan, expected whole numbers", id="NaN"),
        pytest.param(pairs(1.0, np.inf), r"image 1 .* is inf, expected whole numbers", id="infinite"),
        pytest.param(pairs(1.0, 2.5), r"image 1 .* is 2\.5, expected whole numbers", id="fraction"),
        pytest.param(pairs(1.0, 1e300), r"go up to 1e\+300 as float64", id="a float beyond whole numbers"),
        pytest.param(pairs("a", "caf\udce9"), r"image 1 .* is 'caf\\udce9', expected a name", id="surrogate"),
        pytest.param(pairs(b"a", b"caf\xe9"), r"the label b'caf\\xe9' is no UTF-8", id="bytes of another encoding"),
        pytest.param(pairs(b"a", b""), r"image 1 .* is '', expected a name", id="empty bytes"),
        pytest.param(pairs(1j, 2), "labels are complex128, expected whole numbers or text", id="complex"),
    ],
)
def test_a_label_that_names_no_class_is_one_clear_line(
    path: Path, load_train: Load, labels: NDArray[Any], message: str
) -> None:
    np.savez(path, x_train=IMAGES, y_train=labels)

    with pytest.raises(UnreadableDataError, match=message) as caught:
        load_train(path)

    assert "\n" not in str(caught.value)


def test_accents_are_one_class_in_training_and_test(path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    np.savez(path, x_train=IMAGES, y_train=pairs("a", decomposed), x_test=IMAGES[:2], y_test=np.array(["a", composed]))

    test = load_test_set(str(path), data_dir=path)

    assert test.class_names == ("a", composed)
    assert test.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("class_names", "said"),
    [
        (("Cat", "cat "), "The classes 'Cat' and 'cat ' differ by case, blanks or zeros alone"),
        (("1", "1.0", "2"), "The classes '1' and '1.0' differ"),
        (("-1", "0", "1"), "One of the classes is called '-1': leave these images out if it stands for a missing"),
        (("None", "a"), "One of the classes is called 'None'"),
    ],
)
def test_doubtful_class_names_are_remarked_on(class_names: tuple[str, ...], said: str) -> None:
    (doubt,) = doubts_about(class_names)

    assert doubt.startswith(said)


@pytest.mark.parametrize("class_names", [("-1", "1"), tuple("0123456789"), ("a", "b c", "bc"), ("0.5", "05")])
def test_common_class_names_are_not_remarked_on(class_names: tuple[str, ...]) -> None:
    assert doubts_about(class_names) == []


@pytest.mark.parametrize(("there", "missing"), [("x_test", "y_test"), ("y_test", "x_test")])
def test_half_a_test_part_is_refused_before_a_search(path: Path, load_train: Load, there: str, missing: str) -> None:
    arrays: dict[str, Any] = {"x_test": IMAGES, "y_test": pairs(1, 2)}
    np.savez(path, x_train=IMAGES, y_train=pairs(1, 2), **{there: arrays[there]})

    with pytest.raises(
        UnreadableDataError, match=f"holds {there} and no {missing}, expected both or neither. Add {missing}"
    ):
        load_train(path)


def test_arrays_that_are_not_read_are_named(path: Path) -> None:
    np.savez(path, x_train=IMAGES, y_train=pairs(1, 2), x_dev=IMAGES, y_dev=pairs(1, 2), notes=np.arange(3))
    dataset = open_dataset(str(path), data_dir=path)

    (remark,) = dataset.remarks_on(dataset.load_train())

    assert remark.startswith("3 arrays were not read: notes, x_dev, y_dev. A validation part is not used: a")


def test_a_class_without_test_images_is_said(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    np.savez(path, x_train=IMAGES, y_train=pairs("a", "b"), x_test=IMAGES[:3] // 3 * 2, y_test=["a"] * 3)

    load_test_set(str(path), data_dir=path)

    (record,) = caplog.records
    assert record.getMessage().endswith("test part: it has no images of the classes b.")


def test_an_error_quotes_labels_of_any_length_and_of_many_lines_in_one_short_line() -> None:
    labels = np.array(["a\nb" + "c" * 5000, "d"])

    with pytest.raises(LabelOutsideClassesError, match=r"received the label .a.nbc+…, d, expected") as outside:
        index_by_name(labels, tuple(f"class {number}" for number in range(1000)), where="data")
    with pytest.raises(TooFewClassesError, match=r"received only the class .*bc+…") as single:
        name_classes(labels[:1], where="data")

    assert len(str(outside.value)) < 500
    assert len(str(single.value)) < 200
    assert "\n" not in str(outside.value) + str(single.value)


def test_labels_of_thousands_of_digits_are_text(path: Path) -> None:
    np.savez(path, x_train=IMAGES, y_train=pairs("9" * 5000, "12"))

    names = open_dataset(str(path), data_dir=path).load_train().class_names

    assert names == ("12", "9" * 5000)
