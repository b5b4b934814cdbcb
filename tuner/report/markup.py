"""HTML that is safe by default: text is escaped unless it is an `Html` built here."""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tuner.objectives import NO_VALUE

_VOID = frozenset({"img", "input", "meta", "br"})
#: Longer values take the width of two.
_LONG = 30
_TAG = re.compile(r"<[^>]*>")


class Html(str):
    """Markup; any other string is text and is escaped."""

    __slots__ = ()

    def __html__(self) -> "Html":
        """Return it for Jinja2, which escapes what has no such method."""
        return self


Child = str | Html | None


def element(tag: str, *children: Child, **attributes: str | float | bool | None) -> Html:
    """Build one element.

    Args:
        tag: A name written in this package, never one from a record.
        children: Text, which is escaped, or `Html`; None is left out.
        attributes: `class_` becomes `class`, `data_value` becomes `data-value`; True stands without a value, False and
            None are left out.
    """
    written = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Html:
    """Concatenate pieces; text is escaped."""
    return Html("".join(_escaped(child) for child in children if child is not None))


def _escaped(child: str) -> str:
    return child if isinstance(child, Html) else html.escape(child, quote=False)


def _breakable(text: Child) -> Child:
    """Let a long name break after its underscores, and not within a word."""
    return text if text is None or isinstance(text, Html) else Html(_escaped(text).replace("_", "_<wbr>"))


def _attribute(name: str, value: str | float | bool | None) -> str:  # noqa: FBT001 - an attribute may be a flag
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A table cell with a sort key that differs from its text."""

    content: Child
    #: The sort key; None sorts last.
    key: float | str | None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under headers; the cell in the first column is the header of its row."""

    headers: Sequence[str]
    rows: Sequence[Sequence[Child | Cell]]
    #: Rows that stay at the end however the others are sorted.
    footer: Sequence[Sequence[Child | Cell]] = ()


def render_table(table: Table, *, label: str, id_: str | None = None, sortable: bool = False) -> Html:
    """Write a table in its own scrolling region, also usable by keyboard, so that the page does not scroll sideways."""
    headers = [_header(text, index, sortable=sortable) for index, text in enumerate(table.headers)]
    body, footer = (
        [element("tr", *[_cell(cell, index) for index, cell in enumerate(row)]) for row in rows]
        for rows in (table.rows, table.footer)
    )
    return element(
        "div",
        element(
            "table",
            element("caption", label, class_="visually-hidden"),
            element("thead", element("tr", *headers)),
            element("tbody", *body),
            element("tfoot", *footer) if footer else None,
            class_="sortable" if sortable else None,
            id=id_,
        ),
        class_="scroll",
        role="region",
        aria_label=label,
        tabindex=0,
    )


def _header(text: str, index: int, *, sortable: bool) -> Html:
    if not sortable:
        return element("th", text, scope="col")
    return element("th", element("button", text, type="button", data_column=index), scope="col")


def _cell(cell: Child | Cell, index: int) -> Html:
    # Written out instead of by `element`: a report of 10,000 trials has 150,000 cells.
    key = ""
    if isinstance(cell, Cell):
        key = ' data-key=""' if cell.key is None else f' data-key="{html.escape(str(cell.key))}"'
        cell = cell.content
    written = _escaped(cell or NO_VALUE)
    return Html(f'<th scope="row"{key}>{written}</th>' if index == 0 else f"<td{key}>{written}</td>")


def _length(value: Child) -> int:
    """Return the characters of the longest part of a value, without its markup."""
    return max(map(len, _TAG.split(value or ""))) if isinstance(value, Html) else len(value or "")


def definition_list(items: Iterable[tuple[str, Child]], *, class_: str = "facts") -> Html:
    """Write a list of names and values."""
    pairs = (
        element(
            "div",
            element("dt", _breakable(name)),
            element("dd", _breakable(value)),
            class_="long" if _length(value) > _LONG else None,
        )
        for name, value in items
    )
    return element("dl", *pairs, class_=class_)
