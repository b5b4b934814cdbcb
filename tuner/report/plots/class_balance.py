"""How many images each class has in each part of the data."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREEN, ORANGE, figure, plain
from tuner.report.wording import count, listing, percent

_COLOURS = {"train": (BLUE, ""), "validation": (ORANGE, "/"), "test": (GREEN, ".")}
#: More names on the axis would touch each other.
_LEGIBLE = 30


def balance_figure(class_counts: Mapping[str, Sequence[int]], class_names: Sequence[str]) -> go.Figure:
    """Plot each class's share of each part: parts of different sizes can be compared."""
    bars = [
        go.Bar(
            x=list(range(len(class_names))),
            y=[100 * images / max(1, sum(counts)) for images in counts],
            customdata=[f"{plain(name)}, {part}: {images:,}" for name, images in zip(class_names, counts, strict=True)],
            name=part,
            marker={"color": _COLOURS[part][0], "pattern": {"shape": _COLOURS[part][1]}},
            hovertemplate="%{customdata} images, %{y:.2f} %<extra></extra>",
        )
        for part, counts in class_counts.items()
    ]
    step = -(-len(class_names) // _LEGIBLE)
    ticks = {
        "tickvals": list(range(0, len(class_names), step)),
        "ticktext": [plain(name) for name in class_names[::step]],
    }
    return figure(
        *bars,
        barmode="group",
        xaxis=ticks | {"title": {"text": "class"}},
        yaxis={"title": {"text": "share of the part, %"}, "rangemode": "tozero"},
    )


def report_figure(class_counts: Mapping[str, Sequence[int]], class_names: Sequence[str]) -> ReportFigure:
    """Show the balance of the classes in each part."""
    finding = " ".join(_finding(part, counts, class_names) for part, counts in class_counts.items())
    rows = [
        (
            name,
            *(
                f"{counts[index]:,} ({percent(counts[index] / max(1, sum(counts)))})"
                for counts in class_counts.values()
            ),
        )
        for index, name in enumerate(class_names)
    ]
    drawn = balance_figure(class_counts, class_names)
    return ReportFigure(
        key="balance",
        title="Class balance",
        finding=finding,
        plots=(Plot(figure=drawn, label=f"Share of each class. {finding}", height_px=340),),
        table=Table(headers=("Class", *(part.capitalize() for part in class_counts)), rows=rows),
        wide=True,
    )


def _finding(part: str, counts: Sequence[int], class_names: Sequence[str]) -> str:
    most, least = max(counts), min(counts)
    said = f"{part.capitalize()}: {count(sum(counts), 'image')}"
    if most == least:
        return f"{said}, {most:,} of each class."
    largest, smallest = (listing(_named(counts, number, class_names)) for number in (most, least))
    ratio = f", {most / least:.2f} times as many" if least else ""
    return f"{said}, from {least:,} ({smallest}) to {most:,} ({largest}) of a class{ratio}."


def _named(counts: Sequence[int], number: int, class_names: Sequence[str]) -> list[str]:
    """Return the first few classes that have this number of images."""
    return [name for name, images in zip(class_names, counts, strict=True) if images == number][:2]
