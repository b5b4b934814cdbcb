"""Figures that are readable without seeing them: each has a title, its finding in words and its numbers as a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import plotly.graph_objects as go

from tuner.report.markup import Html, Table, render_table
from tuner.report.templating import fill
from tuner.studies.records.study import StudyRecord

_TOP_LEVEL = 2


@dataclass(frozen=True, kw_only=True)
class View:
    """A place on a page."""

    #: Prefix of all ids there; made by the page, not from a name.
    prefix: str
    #: Level of the headings of its parts.
    level: int = _TOP_LEVEL
    #: The model that this part is about, where the page shows several models; ends each label.
    of: str = ""

    def anchor(self, key: str) -> str:
        """Return the id of a part."""
        return f"{self.prefix}-{key}"

    def unique(self, label: str) -> str:
        """Return a label that no other part has."""
        return f"{label} of {self.of}" if self.of else label


@dataclass(frozen=True, kw_only=True)
class StudyView(View):
    """A study, and its place on the page; the level is 2 when the page shows no other study."""

    study: StudyRecord

    @property
    def is_alone(self) -> bool:
        """True when the page shows no other study."""
        return self.level == _TOP_LEVEL

    def unique(self, label: str) -> str:
        """Return a label that no other part has."""
        label = super().unique(label)
        return label if self.is_alone else f"{label}, {self.study.name}"

    def title_ids(self, key: str) -> str:
        """Return the ids that name a section: its own title, below the study's where there are several."""
        own = self.anchor(f"{key}-title")
        return own if self.is_alone else f"{self.anchor('title')} {own}"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One drawing."""

    figure: go.Figure
    #: Text that a screen reader reads instead.
    label: str
    height_px: int = 320
    #: On narrower screens it scrolls sideways in its own frame.
    min_width_px: int = 0


@dataclass(frozen=True, kw_only=True)
class ReportFigure:
    """One figure of the report."""

    #: A constant, unique within a study.
    key: str
    title: str
    #: The main result in words.
    finding: str
    #: Drawn side by side where the page is wide enough.
    plots: tuple[Plot, ...]
    table: Table
    #: Whether it takes the whole width of the page.
    wide: bool = False


#: Where figures are kept while `kept_figures` is open.
_kept: ContextVar[list[ReportFigure] | None] = ContextVar("kept_figures", default=None)


@contextmanager
def kept_figures() -> Iterator[list[ReportFigure]]:
    """Yield a list that receives each figure which is written within the block, in its order."""
    kept: list[ReportFigure] = []
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)


def render_figure(figure: ReportFigure, view: View) -> Html:
    """Write the figure with its caption and its table."""
    if (kept := _kept.get()) is not None:
        kept.append(figure)
    return fill(
        "figure",
        view=view,
        figure=figure,
        plots=[(plot, _json_of(plot)) for plot in figure.plots],
        table=render_table(figure.table, label=view.unique(f"{figure.title}: the numbers")),
    )


def _json_of(plot: Plot) -> Html:
    """Return the drawing as JSON for a script element, which `page.js` draws."""
    # `<` could end the script element; U+2028 and U+2029 end lines for old parsers.
    data = str(plot.figure.to_json())
    return Html(data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
