"""Columns of tables: pixels come in the order that their names tell, whatever people call them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dataset_files import Load, draw_images, write_csv

from tuner.datasets.reading import UnreadableDataError

PIXELS = draw_images(20, height=6, width=6).reshape(20, 36)
LABELS = ["cat", "dog"] * 10


def _shuffled(path: Path, names: list[str]) -> Path:
    """Write a table whose columns stand in the order of an alphabet, as after a join."""
    order = sorted(range(36), key=lambda place: names[place])
    assert order != list(range(36))
    write_csv(path, PIXELS[:, order], LABELS, names=["label", *(names[place] for place in order)])
    return path


@pytest.mark.parametrize(
    "name",
    ["pixel{}", "Pixel{}", "pixel_{}", "px {}", "p{}", "X_{}", "{}", "col-{}"],
)
@pytest.mark.parametrize("first", [0, 1])
def test_numbered_pixels_come_in_the_order_of_their_numbers(
    tmp_path: Path, load_train: Load, name: str, first: int
) -> None:
    path = _shuffled(tmp_path / "own.csv", [name.format(number) for number in range(first, first + 36)])

    images = load_train(path).images.reshape(-1, 36)

    assert {row.tobytes() for row in images} <= {row.tobytes() for row in PIXELS}


@pytest.mark.parametrize("name", ["{}x{}", "r{}c{}", "pixel_{}_{}"])
def test_pixels_named_by_row_and_column_are_taken_in_either_order(tmp_path: Path, load_train: Load, name: str) -> None:
    names = [name.format(row, column) for row in range(6) for column in range(6)]
    write_csv(tmp_path / "rows.csv", PIXELS, LABELS, names=["label", *names])
    by_column = [name.format(row, column) for column in range(6) for row in range(6)]
    write_csv(tmp_path / "columns.csv", PIXELS, LABELS, names=["label", *by_column])

    images = [load_train(tmp_path / f"{kind}.csv").images for kind in ("rows", "columns")]

    np.testing.assert_array_equal(*images)


def test_rows_and_columns_in_no_order_are_refused(tmp_path: Path, load_train: Load) -> None:
    names = [f"{row}x{column}" for row in range(8, 14) for column in range(8, 14)]

    with pytest.raises(
        UnreadableDataError, match=r"the columns 10x10, 10x11, 10x12 and 33 more are in no order.*row by"
    ):
        load_train(_shuffled(tmp_path / "own.csv", names))


def test_a_column_beside_numbered_pixels_is_no_pixel(tmp_path: Path, load_train: Load) -> None:
    write_csv(tmp_path / "own.csv", PIXELS, LABELS, names=["label", "id", *(f"p{number}" for number in range(35))])

    with pytest.raises(UnreadableDataError, match="the column id is neither label nor a pixel"):
        load_train(tmp_path / "own.csv")


def test_names_without_numbers_are_taken_as_they_come(tmp_path: Path, load_train: Load) -> None:
    write_csv(tmp_path / "own.csv", PIXELS, LABELS, names=["label", *"zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQ"])

    images = load_train(tmp_path / "own.csv").images.reshape(-1, 36)

    assert {row.tobytes() for row in images} <= {row.tobytes() for row in PIXELS}


@pytest.mark.parametrize(
    "line", [f"cat{',7' * 16}", ",".join(map(str, range(36))), f"cat{',0.5' * 16}"], ids=["label", "numbers", "floats"]
)
def test_a_first_line_of_values_is_no_line_of_names(
    tmp_path: Path, load_train: Callable[..., object], line: str
) -> None:
    (tmp_path / "own.csv").write_text(f"{line}\n{line}\n", encoding="utf-8")

    with pytest.raises(UnreadableDataError, match="expected column names such as label,pixel0,pixel1"):
        load_train(tmp_path / "own.csv")
