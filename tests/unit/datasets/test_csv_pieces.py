"""A large table whose reading was interrupted is read on from there, by another process too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.datasets.formats import csv_pieces, csv_table
from tuner.datasets.formats.csv_table import Table, read_table

N_ROWS, LINES = 23, 3
#: Of 27 lines, 4 of which are blank.
N_CHUNKS = 9


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(csv_table, "_LINES_AT_ONCE", LINES)
    monkeypatch.setattr(csv_pieces, "FEWEST_BYTES", 0)
    # Each chunk of lines is a piece.
    monkeypatch.setattr(csv_pieces, "_PIECE_BYTES", 1)
    rows = [f"klasse-{n % 2}é,{n % 4},{n},0,{300 if n == 20 else n + 1},1" for n in range(N_ROWS)]
    path = tmp_path / "train.csv"
    # A byte order mark, letters of two bytes, and blank lines.
    lines = ["label,patient,pixel0,pixel1,pixel2,pixel3", *rows[:7], "", "", "", "", *rows[7:]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def read(path: Path, keep_in: Path | None, *, group: str | None = "patient") -> Table:
    return read_table(path, label_column="label", group_column=group, keep_in=keep_in)


def assert_equal(one: Table, other: Table) -> None:
    for name, array in vars(one).items():
        np.testing.assert_array_equal(array, getattr(other, name))
        assert array.dtype == getattr(other, name).dtype


@pytest.mark.parametrize("n_parsed", [0, 1, 4, 7])
def test_an_interrupted_table_is_read_on_and_kept(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_parsed: int
) -> None:
    expected, parse, parsed = read(table, None), csv_table._parse, []

    def parse_some(*arguments: Any) -> Table:
        if len(parsed) == n_parsed:
            raise KeyboardInterrupt
        parsed.append(arguments)
        return parse(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(csv_table, "_parse", parse_some)
        with pytest.raises(KeyboardInterrupt):
            read(table, tmp_path / "kept")
    again: list[Any] = []
    monkeypatch.setattr(csv_table, "_parse", lambda *arguments: again.append(arguments) or parse(*arguments))

    found = read(table, tmp_path / "kept")
    n_again = len(again)
    once_more = read(table, tmp_path / "kept")

    assert_equal(found, expected)
    assert_equal(once_more, expected)
    assert n_again == N_CHUNKS - n_parsed
    assert len(again) == n_again


def test_what_was_kept_of_another_reading_or_another_content_is_not_taken(table: Path, tmp_path: Path) -> None:
    read(table, tmp_path / "kept")
    table.write_text(table.read_text(encoding="utf-8-sig").replace("300", "200"), encoding="utf-8")

    changed = read(table, tmp_path / "kept")

    assert changed.pixels.max() == 200
    assert len(list((tmp_path / "kept").glob(".table-*[!k]"))) == 2


def test_a_damaged_piece_is_read_again(table: Path, tmp_path: Path) -> None:
    expected = read(table, tmp_path / "kept")
    second = next((tmp_path / "kept").glob(".table-*/000001.npz"))
    second.write_bytes(b"PK")

    assert_equal(read(table, tmp_path / "kept"), expected)
