from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import Load, draw_images, write_csv

from tuner.datasets.labels import LabelOutsideClassesError
from tuner.datasets.reading import UnreadableDataError
from tuner.datasets.test_set import load_test_set

PIXELS = draw_images(30, height=4, width=4).reshape(30, 16)
LABELS = [7, 2, 7] * 10
NAMES = ["label", *(f"pixel{number}" for number in range(16))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train.csv"


def write_with_cell(path: Path, value: Any, *, row: int = 3, column: int = 5) -> None:
    """Write a good table but for one cell; row 3 stands in line 5, column 5 is pixel4."""
    rows: Any = np.column_stack([LABELS, PIXELS]).astype(object)
    rows[row, column] = value
    write_csv(path, rows[:, 1:], rows[:, 0].tolist())


def test_a_folder_with_labelled_test_images_keeps_them_apart(path: Path, load_train: Load) -> None:
    write_csv(path, PIXELS, LABELS)
    write_csv(path.with_name("test.csv"), PIXELS[:3], LABELS[:3])

    train, test = load_train(path.parent), load_test_set(str(path.parent), data_dir=path)

    np.testing.assert_array_equal(train.images.reshape(30, 16), PIXELS)
    assert train.image_format.shape == (4, 4, 1)
    assert train.class_names == ("2", "7")
    assert train.labels.tolist() == [1, 0, 1] * 10
    assert test.labels.tolist() == [1, 0, 1]


def test_a_test_file_without_labels_is_no_test_set(path: Path, load_train: Load) -> None:
    write_csv(path, PIXELS, LABELS)
    path.with_name("test.csv").write_text(",".join(NAMES[1:]) + "\n", encoding="utf-8")

    assert len(load_train(path.parent)) == 24


def test_a_file_alone_holds_a_fifth_out(path: Path, load_train: Load) -> None:
    write_csv(path, PIXELS, LABELS)

    assert len(load_train(path)) == 24
    assert len(load_test_set(str(path), data_dir=path)) == 6


def test_names_labels_anywhere_and_pixels_in_any_order_are_understood(path: Path, load_train: Load) -> None:
    labels = ["ka", '"ki,ku"', "ka"] * 10
    order = [5, *range(5), *range(6, 16)]
    rows = [[*row[:3], label, *row[3:]] for row, label in zip(PIXELS[:, order].tolist(), labels, strict=True)]
    names = [f"pixel{number}" for number in order]
    lines = [",".join(map(str, row)) for row in [[*names[:3], "label", *names[3:]], *rows]]
    path.write_text("\ufeff" + "\r\n\r\n".join(lines), encoding="utf-8")
    write_csv(path.with_name("test.csv"), PIXELS[:1], ["ka"])

    data = load_train(path.parent)

    assert data.class_names == ("ka", "ki,ku")
    np.testing.assert_array_equal(data.images.reshape(30, 16), PIXELS)


def test_whole_numbers_written_as_floats_are_whole_numbers(path: Path, load_train: Load) -> None:
    write_csv(path, PIXELS.astype(float), [float(label) for label in LABELS])

    assert load_train(path).class_names == ("2", "7")


@pytest.mark.parametrize(
    ("value", "received"),
    [
        pytest.param("", "a blank", id="blank"),
        pytest.param("nan", "nan", id="NaN"),
        pytest.param(256, "256", id="too bright"),
        pytest.param(-1, "-1", id="negative"),
        pytest.param(0.5, "0.5", id="fraction"),
        pytest.param("black", "black", id="text"),
        pytest.param("1e400", "1e400", id="infinite"),
    ],
)
def test_a_bad_pixel_is_named_by_file_line_and_column(path: Path, load_train: Load, value: Any, received: str) -> None:
    write_with_cell(path, value)

    message = rf"train\.csv: line 5, column pixel4: received {received}, expected a whole number from 0 to 255"
    with pytest.raises(UnreadableDataError, match=message):
        load_train(path)


def test_lines_are_counted_as_an_editor_counts_them(path: Path, load_train: Load) -> None:
    write_with_cell(path, 999)
    path.write_text(path.read_text(encoding="utf-8").replace("\n", "\n\n", 2), encoding="utf-8")

    with pytest.raises(UnreadableDataError, match="line 7, column pixel4"):
        load_train(path)


@pytest.mark.parametrize("label", ["", "nan", "3.5", "-inf"])
def test_a_label_that_is_no_whole_number_is_named_by_its_line(path: Path, load_train: Load, label: str) -> None:
    write_with_cell(path, label, column=0)

    with pytest.raises(
        UnreadableDataError, match=r"line 5, column label: received .*, expected a whole number or a name"
    ):
        load_train(path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param(["target", *NAMES[1:]], "the column label is missing, found target, pixel0", id="label"),
        pytest.param([*NAMES[:6], *NAMES[7:]], "the column pixel5 is missing", id="a pixel"),
        pytest.param([*NAMES[:-1]], "the column pixel15 is missing", id="the last pixel"),
        pytest.param(["label"], "the column pixel0 is missing", id="all pixels"),
        pytest.param(["label", "a", "b", "c"], "3 pixel columns, expected a square number", id="no square"),
        pytest.param([*NAMES, "pixel3"], "the column pixel3 is there more than once", id="twice"),
    ],
)
def test_missing_columns_are_named(path: Path, load_train: Load, names: list[str], message: str) -> None:
    write_csv(path, PIXELS[:, : len(names) - 1], LABELS, names=names)

    with pytest.raises(UnreadableDataError, match=message):
        load_train(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "line 1 reads '', expected column names", id="empty"),
        pytest.param(b"5,0,0,255,0\n", "line 1 reads '5,0,0,255,0', expected column names", id="no names"),
        pytest.param(b"label,pixel0\n\n", "holds column names and no rows", id="no rows"),
        pytest.param(b"label,pixel0\n1,2\n1,2,3\n", "line 3 has 3 cells, expected 2", id="a longer row"),
        pytest.param(b"label,pixel0\n" + b"9" * 500, "line 2 is too long for 2 cells", id="endless line"),
        pytest.param(b"label,pixel0\n" + b"a" * 80 + b",5", "a label of 80 characters", id="endless label"),
        pytest.param(b"label,pixel0\n\xff\xfe,2\n", "is no UTF-8 text", id="binary"),
    ],
)
def test_a_file_that_is_no_table_is_one_clear_line(path: Path, load_train: Load, content: bytes, message: str) -> None:
    path.write_bytes(content)

    with pytest.raises(UnreadableDataError, match=message):
        load_train(path)


@pytest.mark.parametrize(
    ("label", "error", "message"),
    [
        ("10", LabelOutsideClassesError, "received the label 10, expected one of the classes 0, 1"),
        ("seven", LabelOutsideClassesError, "received the label seven, expected one of the classes 0, 1"),
        ("2.5", UnreadableDataError, "line 2, column label: received 2.5"),
    ],
)
def test_kaggles_labels_are_digits(
    tmp_path: Path, load_train: Load, label: str, error: type[Exception], message: str
) -> None:
    write_csv(tmp_path / "kaggle-digits" / "train.csv", np.zeros((2, 784), np.uint8), [label, 1])

    with pytest.raises(error, match=message):
        load_train("kaggle-digits")
