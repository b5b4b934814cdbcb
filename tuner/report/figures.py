"""A figure with all that makes it readable without seeing it: a title, the finding in words, the numbers as a table."""

from dataclasses import dataclass

import plotly.graph_objects as go

from tuner.report.markup import Html, Table, element, render_table
from tuner.studies.records import StudyRecord

_TOP_LEVEL = 2


@dataclass(frozen=True, kw_only=True)
class StudyView:
    """A study, and where on the page it stands."""

    study: StudyRecord
    #: Begins every id of this study; made here, not from its name.
    prefix: str
    #: Level of the headings of its parts: 2 when it has the page for itself.
    level: int
    #: Whose this part is, where the page shows the same of several models; ends each label.
    of: str = ""

    def anchor(self, key: str) -> str:
        """Return the id of a part of this study."""
        return f"{self.prefix}-{key}"

    @property
    def is_alone(self) -> bool:
        """True when the page shows no other study."""
        return self.level == _TOP_LEVEL

    def unique(self, label: str) -> str:
        """Return a label that no other part has."""
        label = f"{label} of {self.of}" if self.of else label
        return label if self.is_alone else f"{label}, {self.study.name}"

    def title_ids(self, key: str) -> str:
        """Return the ids that name a section: its own title, below the study's where there are several."""
        own = self.anchor(f"{key}-title")
        return own if self.is_alone else f"{self.anchor('title')} {own}"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One drawing."""

    figure: go.Figure
    #: What a screen reader says in its place.
    label: str
    height_px: int = 320
    #: Below this width it scrolls sideways in its own frame.
    min_width_px: int = 0


@dataclass(frozen=True, kw_only=True)
class ReportFigure:
    """One figure of the report."""

    #: A constant, unique within a study.
    key: str
    title: str
    #: The main thing to see, in words.
    finding: str
    #: Drawn side by side where there is room.
    plots: tuple[Plot, ...]
    table: Table
    #: Takes the whole width of the page.
    wide: bool = False


def render_figure(figure: ReportFigure, view: StudyView) -> Html:
    """Write the figure with its caption and its table."""
    title_id = view.anchor(figure.key)
    numbers = element(
        "details",
        element("summary", "The numbers", element("span", f" of {figure.title}", class_="visually-hidden")),
        render_table(figure.table, label=view.unique(f"{figure.title}: the numbers")),
    )
    return element(
        "figure",
        element(f"h{view.level + 1}", figure.title, id=title_id),
        element("figcaption", figure.finding),
        element(
            "div",
            *[render_plot(plot, label=view.unique(figure.title)) for plot in figure.plots],
            class_=f"plots of-{min(len(figure.plots), 4)}",
        ),
        numbers,
        class_="figure wide" if figure.wide else "figure",
        aria_labelledby=title_id,
    )


def render_plot(plot: Plot, *, label: str) -> Html:
    """Write the frame that `page.js` draws in, and the figure as JSON inside it; `label` is unique on the page."""
    # `<` would end the script element, U+2028 and U+2029 are line ends to old parsers.
    data = str(plot.figure.to_json()).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    frame = element(
        "div",
        role="img",
        aria_label=plot.label,
        class_="plot",
        style=f"height:{plot.height_px}px;min-width:{plot.min_width_px}px",
    )
    # Only a frame that scrolls may be reached by keyboard; each of the others would be a stop without a purpose.
    scrolls = plot.min_width_px > 0
    return element(
        "div",
        frame,
        element("script", Html(data), type="application/json"),
        class_="frame scrolls" if scrolls else "frame",
        tabindex=0 if scrolls else None,
        role="region" if scrolls else None,
        aria_label=f"{label}, scrolls sideways" if scrolls else None,
    )
