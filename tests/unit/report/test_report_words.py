from datetime import UTC, datetime

import pytest

from tuner.report.markup import Cell, Html, Table, element, render_table
from tuner.report.theme import plain
from tuner.report.wording import count, duration, listing, moment, percent, points, setting, shortened, spread

NASTY = '<b onload="x">\'&amp;</script>'


def test_text_and_attributes_are_escaped() -> None:
    markup = element("p", NASTY, title=NASTY)

    assert "<b" not in markup
    assert "</script>" not in markup
    assert 'title="&lt;b onload=&quot;x&quot;' in markup


def test_markup_built_here_stays_markup() -> None:
    assert element("p", element("b", "x"), None) == "<p><b>x</b></p>"


def test_attributes_that_are_off_are_left_out() -> None:
    assert element("img", alt="", hidden=True, loading=None, open=False) == '<img alt="" hidden>'


def test_table_cells_are_escaped_and_carry_their_sort_keys() -> None:
    table = render_table(Table(headers=[NASTY], rows=[[Cell(content=NASTY, key=NASTY)]]), label=NASTY, sortable=True)

    assert isinstance(table, Html)
    assert "<b " not in table
    assert 'data-key="&lt;b' in table


def test_an_unknown_cell_shows_a_dash_and_sorts_last() -> None:
    table = render_table(Table(headers=["a", "b"], rows=[["1", Cell(content=None, key=None)]]), label="t")

    assert '<td data-key="">\u2013</td>' in table


def test_plotly_sees_no_tags_entities_or_templates_in_text_from_records() -> None:
    assert plain("<a href='x'>") == "&lt;a href='x'&gt;"
    assert plain("&lt;") == "&amp;lt;"
    assert "%{" not in plain("%{x}")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\u2013"),
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7620, "2 h 07 min"),
        (273_600, "3 d 04 h"),
    ],
)
def test_durations_show_their_two_largest_units(seconds: float | None, text: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (0.000123456, "0.0001235"), (64, "64"), (None, "none"), ("adam", "adam")]
)
def test_hyperparameters_read_as_people_write_them(value: object, text: str) -> None:
    assert setting(value) == text


def test_numbers_read_as_people_write_them() -> None:
    assert percent(0.99645) == "99.64\u00a0%"
    assert percent(None) == "\u2013"
    assert points(-0.0012) == "\u22120.12"
    assert spread(0.9964, 0.0005) == "99.64\u00a0±\u00a00.05\u00a0%"
    assert count(1, "class", "classes") == "1\u00a0class"
    assert count(1200, "class", "classes") == "1,200\u00a0classes"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert moment(datetime(2026, 11, 2, 9, 30, tzinfo=UTC)) == "2026-11-02 09:30:00\u00a0UTC"
    assert shortened("x" * 100, width=11) == "xxxxx…xxxxx"
