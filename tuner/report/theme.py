"""The common style of all figures.

Figures are drawn in the palette's light colours, and `page.js` replaces each by its dark counterpart; therefore only
colours from `COLOURS` may be used.
"""

import html
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from tuner.objectives import Objective
from tuner.report.palette import COLOURS
from tuner.report.wording import shortened

INK, SOFT, LINE, SURFACE, RAISED, BLUE, ORANGE, GREEN, PURPLE, GREY, HEAT, BAND2, BAND3, BAND4 = (
    light for light, _ in COLOURS.values()
)
_FLAWLESS = 1e-4
#: How a pruned trial is drawn: a cross that is seen in a small plot.
PRUNED_MARKER = {"symbol": "x-thin-open", "color": GREY, "size": 8, "line": {"color": GREY, "width": 1.5}}
#: Errors whose accuracies are labelled: 10 % to 99.98 %.
_TICKED_ERRORS = (0.9, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002)
#: Smallest distance of two labels as a share of the axis; closer ones overlap in the smallest plot.
_LEAST_GAP = 0.12
#: The same where labels stand side by side, which takes more room.
GAP_ACROSS = 0.18
#: The axis of equal accuracies has at least this length.
_LEAST_ROOM = 0.02
#: Digits that are labelled on a logarithmic axis, the fewest first; more are taken until the scale can be read.
_LOG_DIGITS = ((1,), (1, 2, 5), (1, 2, 3, 4, 5, 6, 8))
#: With fewer labels the scale cannot be read.
_FEWEST_TICKS = 3
#: Labels on an axis of whole numbers, and the powers of ten that their steps are taken from.
_MOST_WHOLE, _POWERS = 8, [10**power for power in range(9)]


#: Plotly's settings of an axis.
Axis = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Nines:
    """An accuracy axis that stretches towards 100 %: 90, 99 and 99.9 % lie equally far apart."""

    #: The error rate at which 100 % is drawn; it would otherwise lie at infinity.
    floor: float

    #: For the text below a figure.
    note = "The axis stretches towards 100\u00a0%."

    def place(self, accuracy: float | None) -> float | None:
        """Return the position of an accuracy on the axis."""
        return None if accuracy is None else round(-math.log10(max(1 - accuracy, self.floor)), 5)

    def axis(self, title: str, accuracies: Sequence[float], *, least_gap: float = _LEAST_GAP) -> Axis:
        """Return Plotly's settings for an axis that shows these accuracies; labels lie at least this share apart."""
        low, high = self._range(accuracies)
        ticks = self._ticks(low, high)
        if any(1 - accuracy <= self.floor for accuracy in accuracies):
            ticks.append(1.0)
        ticks = self._apart(ticks, least=least_gap * (high - low))
        return {
            "title": {"text": title},
            "tickvals": [self.place(tick) for tick in ticks],
            "ticktext": [f"{100 * tick:.4g}\u00a0%" for tick in ticks],
            "range": [low, high],
            "zeroline": False,
        }

    def hidden(self, accuracies: Sequence[float], *, shown: Sequence[float]) -> list[float]:
        """Return the accuracies that lie below an axis made for `shown`, in ascending order."""
        low, _ = self._range(shown)
        ascending = sorted(accuracies)
        return ascending[: bisect_left(ascending, low, key=lambda accuracy: self.place(accuracy) or 0.0)]

    def _apart(self, ticks: Sequence[float], *, least: float) -> list[float]:
        """Return those of the ascending ticks that lie apart from each other, the highest always."""
        kept: list[float] = []
        for tick in reversed(ticks):
            if not kept or (self.place(kept[0]) or 0.0) - (self.place(tick) or 0.0) >= least:
                kept.insert(0, tick)
        return kept

    def _range(self, accuracies: Sequence[float]) -> tuple[float, float]:
        # A higher accuracy never lies lower: the two ends suffice.
        low, high = (self.place(end(accuracies)) or 0.0 for end in (min, max)) if accuracies else (0.0, 1.0)
        room = max(0.06 * (high - low), _LEAST_ROOM)
        return low - room, high + room

    def _ticks(self, low: float, high: float) -> list[float]:
        """Return at least two accuracies to label between two positions."""
        round_ones = [1 - error for error in _TICKED_ERRORS if error > self.floor]
        inside = [accuracy for accuracy in round_ones if low <= (self.place(accuracy) or 0.0) <= high]
        if len(inside) > 1:
            return inside
        worst, best = 1 - 10**-low, 1 - 10**-high
        return _even_ticks(worst, best)


@dataclass(frozen=True, kw_only=True)
class Linear:
    """An axis of scores of any kind."""

    objective: Objective

    #: It needs no text.
    note = ""

    def place(self, score: float | None) -> float | None:
        """Return the position of a score on the axis."""
        return score

    def axis(self, title: str, scores: Sequence[float], *, least_gap: float = _LEAST_GAP) -> Axis:
        """Return Plotly's settings for an axis that shows these scores; labels lie about this share apart or more."""
        low, high = _with_room(min(scores, default=0.0), max(scores, default=1.0))
        return {"title": {"text": title}, "range": [low, high], "zeroline": False, "nticks": round(1 / least_gap)}

    def hidden(self, scores: Sequence[float], *, shown: Sequence[float]) -> list[float]:
        """Return the scores that lie beyond the worse end of an axis made for `shown`, the worst first."""
        worst = min((self.objective.utility(end) for end in _with_room(min(shown), max(shown))), default=0.0)
        return sorted((score for score in scores if self.objective.utility(score) < worst), key=self.objective.utility)


def score_axis(objective: Objective, scores: Sequence[float]) -> Nines | Linear:
    """Make an axis for these scores of an objective."""
    if objective.written_as == "percent" and objective.direction == "maximize":
        return nines(scores)
    return Linear(objective=objective)


def nines(accuracies: Sequence[float]) -> Nines:
    """Make an axis for these accuracies; 100 % is drawn at half of the smallest error."""
    return Nines(floor=min((1 - accuracy for accuracy in accuracies if accuracy < 1), default=2 * _FLAWLESS) / 2)


def log_axis(title: str, values: Sequence[float], *, most: int = _MOST_WHOLE) -> Axis:
    """Return Plotly's settings for a logarithmic axis with three round numbers as labels, or up to `most`."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    room = 0.05 * (high - low) or 0.1
    low, high = low - room, high + room
    choices = (_log_ticks(low, high, digits, most=most) for digits in _LOG_DIGITS)
    ticks = next((ticks for ticks in choices if len(ticks) >= _FEWEST_TICKS), None) or _even_ticks(10**low, 10**high)
    return {
        "type": "log",
        "title": {"text": title},
        "tickvals": ticks,
        "ticktext": [f"{tick:.6g}" for tick in ticks],
        "range": [low, high],
    }


def _log_ticks(low: float, high: float, digits: Sequence[int], *, most: int) -> list[float]:
    """Return the numbers that begin with these digits between two powers of ten, evenly left out beyond `most`."""
    ticks = [digit * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for digit in digits]
    inside = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return inside[:: -(-len(inside) // most)] if inside else []


def whole_axis(title: str, last: int) -> Axis:
    """Return Plotly's settings for an axis of epochs or trials up to this one, labelled at whole numbers."""
    steps = (factor * power for power in _POWERS for factor in (1, 2, 5))
    return {"title": {"text": title}, "tick0": 0, "dtick": next(step for step in steps if last / step <= _MOST_WHOLE)}


def _with_room(low: float, high: float) -> tuple[float, float]:
    room = 0.06 * (high - low) or abs(high) * _LEAST_ROOM or _LEAST_ROOM
    return low - room, high + room


def _even_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two positive ones, evenly spaced, three to seven of them."""
    power = 10 ** math.floor(math.log10(high - low))
    steps = (power * part for part in (2, 1, 0.5, 0.2, 0.1))
    ticks = ([step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)] for step in steps)
    return next(found for found in ticks if len(found) >= _FEWEST_TICKS)


def plain(text: str) -> str:
    """Escape text from records: Plotly interprets `<b>`, `<a href>`, entities and `%{x}` in all texts."""
    return html.escape(shortened(text), quote=False).replace("%{", "% {")


def figure(*traces: go.Scatter | go.Bar | go.Heatmap | go.Contour, **layout: Any) -> go.Figure:
    """Make a figure of these traces in the common style."""
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
