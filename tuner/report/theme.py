"""How every figure looks.

Figures are drawn in the palette's light colours; `page.js` swaps each for its dark twin, so a colour that is not in
`COLOURS` must not be used.
"""

import html
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from tuner.report.palette import COLOURS
from tuner.report.wording import shortened

INK, SOFT, LINE, SURFACE, RAISED, BLUE, ORANGE, GREEN, PURPLE, GREY, HEAT, BAND2, BAND3, BAND4 = (
    light for light, _ in COLOURS.values()
)
_FLAWLESS = 1e-4
#: Errors whose accuracies are labelled: 10 % to 99.98 %.
_TICKED_ERRORS = (0.9, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002)
#: More labels than this on one axis touch each other.
_CROWDED = 5
#: Around equal accuracies the axis still spans something.
_LEAST_ROOM = 0.02
#: Over more powers of ten only the powers are labelled.
_MANY_DECADES = 1.7


@dataclass(frozen=True, kw_only=True)
class Nines:
    """An accuracy axis that stretches towards 100 %: 90, 99 and 99.9 % lie equally far apart."""

    #: Where the axis puts 100 %, as an error rate; without an end it would lie infinitely far up.
    floor: float

    def place(self, accuracy: float | None) -> float | None:
        """Return where on the axis an accuracy lies."""
        return None if accuracy is None else round(-math.log10(max(1 - accuracy, self.floor)), 5)

    def axis(self, title: str, accuracies: Sequence[float]) -> dict[str, Any]:
        """Return Plotly's settings for an axis that shows these accuracies."""
        low, high = self._range(accuracies)
        ticks = self._ticks(low, high)
        if any(1 - accuracy <= self.floor for accuracy in accuracies):
            ticks.append(1.0)
        return {
            "title": {"text": title},
            "tickvals": [self.place(tick) for tick in ticks],
            "ticktext": [f"{100 * tick:.4g}\u00a0%" for tick in ticks],
            "range": [low, high],
            "zeroline": False,
        }

    def hidden(self, accuracies: Sequence[float], *, shown: Sequence[float]) -> list[float]:
        """Return those of the accuracies that an axis which shows these others has no room for, the lowest first."""
        low, _ = self._range(shown)
        ascending = sorted(accuracies)
        return ascending[: bisect_left(ascending, low, key=lambda accuracy: self.place(accuracy) or 0.0)]

    def _range(self, accuracies: Sequence[float]) -> tuple[float, float]:
        # A higher accuracy never lies lower: the two ends suffice.
        low, high = (self.place(end(accuracies)) or 0.0 for end in (min, max)) if accuracies else (0.0, 1.0)
        room = max(0.06 * (high - low), _LEAST_ROOM)
        return low - room, high + room

    def _ticks(self, low: float, high: float) -> list[float]:
        """Return accuracies to label between two places, at least two."""
        round_ones = [1 - error for error in _TICKED_ERRORS if error > self.floor]
        inside = [accuracy for accuracy in round_ones if low <= (self.place(accuracy) or 0.0) <= high]
        if len(inside) > 1:
            return inside
        worst, best = 1 - 10**-low, 1 - 10**-high
        power = 10 ** math.floor(math.log10(best - worst))
        step = next(power * part for part in (0.2, 0.5, 1, 2) if (best - worst) / (power * part) <= _CROWDED)
        return [step * number for number in range(math.ceil(worst / step), math.floor(best / step) + 1)]


def nines(accuracies: Sequence[float]) -> Nines:
    """Choose the end of the axis: half of the smallest error seen."""
    return Nines(floor=min((1 - accuracy for accuracy in accuracies if accuracy < 1), default=2 * _FLAWLESS) / 2)


def log_axis(title: str, values: Sequence[float]) -> dict[str, Any]:
    """Return Plotly's settings for a logarithmic axis whose ticks are whole numbers written out: 1, 2, 5, 10."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    factors = (1, 2, 5) if high - low < _MANY_DECADES else (1,)
    ticks = [factor * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for factor in factors]
    room = 0.05 * (high - low) or 0.1
    return {
        "type": "log",
        "title": {"text": title},
        "tickvals": ticks,
        "ticktext": [f"{tick:.4g}" for tick in ticks],
        "range": [low - room, high + room],
    }


def plain(text: str) -> str:
    """Neutralise text from records: Plotly reads `<b>`, `<a href>`, entities and `%{x}` in every text it shows."""
    return html.escape(shortened(text), quote=False).replace("%{", "% {")


def figure(*traces: go.Scatter | go.Bar | go.Heatmap, **layout: Any) -> go.Figure:
    """Lay traces out in the house style."""
    axis = {"gridcolor": LINE, "linecolor": LINE, "zerolinecolor": LINE, "automargin": True, "ticks": ""}
    style = go.layout.Template(
        layout={
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, sans-serif", "size": 13, "color": SOFT},
            "margin": {"l": 8, "r": 12, "t": 30, "b": 8},
            "xaxis": axis | {"showgrid": False, "zeroline": False, "title": {"standoff": 8}},
            "yaxis": axis | {"title": {"standoff": 8}},
            "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"},
            "hoverlabel": {"bgcolor": RAISED, "bordercolor": LINE, "font": {"color": INK}},
            "hovermode": "closest",
            "bargap": 0.35,
        }
    )
    return go.Figure(data=list(traces), layout={"template": style, **layout})
