import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import Load, draw_images, write_csv

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.division.splits import SplitError
from tuner.datasets.formats.csv_table import read_column_names
from tuner.datasets.formats.labels import LabelOutsideClassesError
from tuner.datasets.pixels.decision import PixelSettings
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
        pytest.param("black", "black", id="text"),
        pytest.param("1e400", "1e400", id="infinite"),
    ],
)
def test_a_bad_pixel_is_named_by_file_line_and_column(path: Path, load_train: Load, value: Any, received: str) -> None:
    write_with_cell(path, value)

    message = rf"train\.csv: line 5, column pixel4: received {received}, expected a number"
    with pytest.raises(UnreadableDataError, match=message):
        load_train(path)


def test_lines_are_counted_as_an_editor_counts_them(path: Path, load_train: Load) -> None:
    write_with_cell(path, "x")
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
        pytest.param([*NAMES[:-1]], r"has 15 pixel columns, .* such as 16 \(4 x 4 grey pixels\)", id="the last pixel"),
        pytest.param(["label", *NAMES[3:]], "the column pixel1 is missing, found label, pixel2", id="the first pixels"),
        pytest.param(
            ["label", "pixel1", "pixel999999999"], "the column pixel2, pixel3, .* and 999999992 more", id="gap"
        ),
        pytest.param(["id", *NAMES], "the column id is neither label nor a pixel", id="another column"),
        pytest.param(["Label", *NAMES[1:]], "label is missing, found Label, .*; Label may be it. Name the", id="case"),
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
    ("n_pixels", "message"),
    [
        (
            48,
            r"48 pixel columns, expected a square number such as 49 \(7 x 7 grey pixels\); 48 would be 4 x 4 in colour",
        ),
        (192, r"192 pixel columns, .* such as 196 \(14 x 14 grey pixels\); 192 would be 8 x 8 in colour. Store colour"),
        (50, r"50 pixel columns, expected a square number such as 64 \(8 x 8 grey pixels\)\. Store colour images, and"),
    ],
)
def test_pixels_that_make_no_square_are_counted(path: Path, load_train: Load, n_pixels: int, message: str) -> None:
    write_csv(path, np.zeros((30, n_pixels), np.uint8), LABELS)

    with pytest.raises(UnreadableDataError, match=message):
        load_train(path)


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_the_row_numbers_of_pandas_are_no_pixel_and_that_is_said(
    path: Path, load_train: Load, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    rows = np.column_stack([np.random.default_rng(0).permutation(30), LABELS, PIXELS])
    write_csv(path, rows[:, 1:], rows[:, 0].tolist(), names=[name, *NAMES])
    write_csv(path.with_name("test.csv"), rows[:, 1:], rows[:, 0].tolist(), names=[name, *NAMES])

    data = load_train(path.parent)

    np.testing.assert_array_equal(data.images.reshape(30, 16), PIXELS)
    assert data.class_names == ("2", "7")
    assert f"the column {name or 'without a name'} holds row numbers and is not read as a pixel" in caplog.text


def test_a_first_column_without_a_name_must_number_the_rows(path: Path, load_train: Load) -> None:
    rows = np.column_stack([np.zeros(30, np.int64), LABELS, PIXELS])
    write_csv(path, rows[:, 1:], rows[:, 0].tolist(), names=["", *NAMES])

    with pytest.raises(UnreadableDataError, match="first column has no name, and its values are no row numbers"):
        load_train(path)


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_another_separator_is_named(path: Path, load_train: Load, separator: str, name: str) -> None:
    write_csv(path, PIXELS, LABELS)
    path.write_text(path.read_text(encoding="utf-8").replace(",", separator), encoding="utf-8")

    with pytest.raises(UnreadableDataError, match=f"line 1 separates 17 columns by {name}, expected commas") as caught:
        load_train(path)

    assert len(str(caught.value)) < 300


def test_a_long_header_is_quoted_in_short(path: Path, load_train: Load) -> None:
    path.write_text("_".join(f"pixel{number}" for number in range(90)) + "\n1\n", encoding="utf-8")

    with pytest.raises(
        UnreadableDataError, match=r"the column label is missing, found pixel0_pixel1_.{46}…\. "
    ) as caught:
        load_train(path)

    assert len(str(caught.value)) < 400


def test_a_class_too_small_to_hold_a_fifth_out_is_told_what_helps(path: Path, load_train: Load) -> None:
    write_csv(path, PIXELS[:22], [1] * 20 + [2] * 2)

    with pytest.raises(SplitError, match=r"draws 0 of the 2 images of class '2'.* Add images of this class") as caught:
        load_train(path)

    assert "fraction" not in str(caught.value)


def test_tables_beside_the_one_that_is_read_are_counted(path: Path) -> None:
    write_csv(path, PIXELS, LABELS)
    write_csv(path.with_name("validation.csv"), PIXELS, LABELS)
    path.with_name("test.csv").write_text(",".join(NAMES[1:]) + "\n", encoding="utf-8")
    (path.parent / "images").mkdir()
    (path.parent / "images" / "a.png").write_bytes(b"not read")

    folder, file = (open_dataset(str(one), data_dir=path) for one in (path.parent, path))

    assert folder.left_out.counts == {"test.csv (no column label)": 1, "validation.csv": 1, "in images/": 1}
    assert folder.left_out.has_validation_part
    assert file.left_out.counts == {"test.csv": 1, "validation.csv": 1}


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")

    with pytest.raises(UnreadableDataError, match="is a pipe or a device, expected a file"):
        read_column_names(tmp_path / "pipe.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"label,pixel0,\n1,2,\n2,3,\n", "column 3 of 3 has no name in line 1", id="a comma at the end"),
        pytest.param(b"", "line 1 reads '', expected column names", id="empty"),
        pytest.param(b"5,0,0,255,0\n", "line 1 reads '5,0,0,255,0', expected column names", id="no names"),
        pytest.param(b"label,pixel0\n\n", "holds column names and no rows", id="no rows"),
        pytest.param(b"label,pixel0\n1,2\n1,2,3\n", "line 3 has 3 cells, expected 2", id="a longer row"),
        pytest.param(b"label,pixel0\n" + b"9" * 500, "line 2 is too long for 2 cells", id="endless line"),
        pytest.param(b"label,pixel0\n" + b"a" * 80 + b",5", "a label of 80 characters", id="endless label"),
        pytest.param(b"label,pixel0\n\xff\xfe,2\n", "is no UTF-8 text", id="binary"),
        pytest.param(b"PK\x03\x04\x00\x00,\n1\n", "holds a NUL character, as files of Excel", id="Excel"),
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
    write_csv(tmp_path / "kaggle-digits" / "train.csv", np.tile(np.uint8([0, 255]), (2, 392)), [label, 1])

    with pytest.raises(error, match=message):
        load_train("kaggle-digits")


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        pytest.param(
            "emotion,pixels,Usage", "3,1 2 3 4,Training", "the column pixels holds whole images", id="FER2013"
        ),
        pytest.param("label,pixels", "3,1 2 3 4", r"the column pixels holds whole images.*`numpy\.array", id="renamed"),
        pytest.param(
            "filename,label",
            "a.png,cat",
            "one column filename beside the labels.*call it labels.csv or metadata.csv",
            id="files",
        ),
        pytest.param(
            "label,path",
            "cat,a.png",
            "one column path beside the labels.*call it labels.csv or metadata.csv",
            id="paths",
        ),
    ],
)
def test_a_table_without_a_column_for_each_pixel_is_told_so(
    path: Path, load_train: Load, header: str, row: str, message: str
) -> None:
    path.write_text("\n".join([header, *[row] * 20, ""]), encoding="utf-8")

    with pytest.raises(UnreadableDataError, match=message):
        load_train(path)


@pytest.mark.parametrize("cell", ["1_0", "\u0663", "0x10"])
def test_a_cell_that_is_a_number_in_another_spelling_is_named_by_its_line(
    path: Path, load_train: Load, cell: str
) -> None:
    write_with_cell(path, cell)

    with pytest.raises(UnreadableDataError, match=f"line 5, column pixel4: received {cell}, expected a number"):
        load_train(path)


@pytest.mark.parametrize(
    ("stored", "pixel_range"),
    [
        pytest.param(PIXELS / 255, "auto", id="0 to 1"),
        pytest.param(np.round(PIXELS / 255, 4), "auto", id="0 to 1 in four digits"),
        pytest.param(PIXELS / 127.5 - 1, (-1.0, 1.0), id="-1 to 1"),
        pytest.param(PIXELS.astype(np.int64) * 257, "auto", id="0 to 65535"),
        pytest.param(PIXELS.astype(np.int64) - 128, (-128.0, 127.0), id="signed bytes"),
    ],
)
def test_tables_of_any_range_are_read_as_arrays_are(path: Path, stored: Any, pixel_range: Any) -> None:
    write_csv(path, stored, LABELS)
    write_csv(path.with_name("test.csv"), stored[:3], LABELS[:3])
    settings = PixelSettings(range=pixel_range)

    part = open_dataset(str(path.parent), data_dir=path, pixels=settings).read_training_part()
    test = load_test_set(str(path.parent), data_dir=path, pixels=part.pixels)

    np.testing.assert_array_equal(part.images.images.reshape(30, 16), PIXELS)
    np.testing.assert_array_equal(test.images.reshape(3, 16), PIXELS[:3])
    assert part.warnings == ()


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        pytest.param(
            PIXELS / 127.5 - 1, r"go from -1 to .* \(the lowest in line 2\).*`data\.range = \[-1, 1\]`", id="-1"
        ),
        pytest.param(
            (PIXELS - 90.0) / 60, r"expected none below 0.*data\.range.*undo the standardisation", id="z-scores"
        ),
        pytest.param(PIXELS / 170, r"neither 0 to 1 nor 0 to 255.*data\.range", id="0 to 1.5"),
    ],
)
def test_tables_of_no_evident_range_name_the_setting(path: Path, load_train: Load, stored: Any, message: str) -> None:
    write_csv(path, stored, LABELS)

    with pytest.raises(UnreadableDataError, match=message):
        load_train(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2555, r"1 of 30 images have values above 255, up to 2555 in line 5; all others fit into 0 to 255\. Correct"),
        (256, r"go from 0 to 256 \(the highest in line 5\).*data\.range"),
        (-1, r"go from -1 to 255 \(the lowest in line 5\), expected none below 0.*data\.range"),
    ],
)
def test_a_pixel_beyond_the_others_is_named_by_its_line(path: Path, load_train: Load, value: int, message: str) -> None:
    write_with_cell(path, value)

    with pytest.raises(UnreadableDataError, match=message):
        load_train(path)


@pytest.mark.parametrize("stored", [np.tile([0, 1], (2, 392)), np.tile([0, 0.5], (2, 392))], ids=["integers", "floats"])
def test_kaggles_table_scaled_to_1_is_no_published_file(tmp_path: Path, load_train: Load, stored: Any) -> None:
    write_csv(tmp_path / "kaggle-digits" / "train.csv", stored, [1, 2])

    with pytest.raises(UnreadableDataError, match=r"go from 0 to .*, expected 0 to 255 as published.*`data\.range`"):
        load_train("kaggle-digits")


def test_labels_that_differ_by_zeros_stay_apart_and_are_remarked_on(path: Path) -> None:
    write_csv(path, PIXELS, ["1", "01", "2"] * 10)

    part = open_dataset(str(path), data_dir=path).read_training_part()

    assert part.images.class_names == ("01", "1", "2")
    assert any("'01' and '1' differ by case, blanks or zeros" in text for text in part.warnings)


def test_labels_with_zeros_before_them_are_numbers(path: Path, load_train: Load) -> None:
    write_csv(path, PIXELS, ["00", "07", "12"] * 10)

    assert load_train(path).class_names == ("0", "7", "12")


def test_a_test_file_whose_unnumbered_pixels_stand_in_another_order_is_refused(tmp_path: Path) -> None:
    pixels = draw_images(20, height=3, width=3).reshape(20, 9)
    names = [f"{letter}x" for letter in "abcdefghi"]
    write_csv(tmp_path / "train.csv", pixels, [0, 1] * 10, names=["label", *names])
    write_csv(tmp_path / "test.csv", pixels, [0, 1] * 10, names=["label", *names[::-1]])

    with pytest.raises(UnreadableDataError, match=r"another order than those of train\.csv\. Put the columns"):
        load_test_set(str(tmp_path), data_dir=tmp_path)


def test_a_test_file_whose_numbered_pixels_stand_in_another_order_is_put_in_order(tmp_path: Path) -> None:
    pixels = draw_images(20, height=3, width=3).reshape(20, 9)
    names = [f"pixel{number}" for number in range(9)]
    write_csv(tmp_path / "train.csv", pixels, [0, 1] * 10, names=["label", *names])
    write_csv(tmp_path / "test.csv", pixels[:, ::-1], [0, 1] * 10, names=["label", *names[::-1]])

    test = load_test_set(str(tmp_path), data_dir=tmp_path)

    np.testing.assert_array_equal(test.images.reshape(20, 9), pixels)
