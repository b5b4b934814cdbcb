"""`tuner dataset`: list datasets, show what is in one, download it."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tuner.cli.completion import complete_datasets
from tuner.cli.creation import decoding_shown
from tuner.cli.options import JsonOption, settings_for
from tuner.cli.output import format_percent, open_console, open_progress_console, print_json, print_warnings

if TYPE_CHECKING:
    from tuner.datasets.images import LabelledImages
    from tuner.datasets.pixels.decision import PixelSettings
    from tuner.datasets.reading import ResizeHow
    from tuner.datasets.summary import Summary

_INVERT: dict[str, Literal["auto"] | bool] = {"auto": "auto", "true": True, "false": False}
_BACKGROUNDS: dict[str, Literal["auto", "white", "black"]] = {"auto": "auto", "white": "white", "black": "black"}
_HOW: dict[str, Literal["stretch", "crop", "pad"]] = {"stretch": "stretch", "crop": "crop", "pad": "pad"}
_BLOCKS = " ▁▂▃▄▅▆▇█"

app = typer.Typer(help="Datasets: list them, show what is in one, download it.", no_args_is_help=True)


@app.command("list")
def list_datasets(*, as_json: JsonOption = False) -> None:
    """List the datasets known by name, and whether they are on this machine."""
    from rich.markup import escape
    from rich.table import Table

    from tuner.datasets.catalogue import CATALOGUE
    from tuner.datasets.formats.file_formats import list_file_formats

    data_dir = settings_for(None).data_dir
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "image_shape": list(entry.image_format.shape),
                    "n_classes": entry.image_format.n_classes,
                    "is_here": entry.is_in_place(data_dir / name),
                    "description": entry.description,
                }
                for name, entry in CATALOGUE.items()
            ]
        )
        return
    table = Table("dataset", "images", "classes", "here", "description", title=escape(f"In {data_dir}"))
    for name, entry in CATALOGUE.items():
        height, width, channels = entry.image_format.shape
        here = "yes" if entry.is_in_place(data_dir / name) else "no"
        table.add_row(name, f"{height}x{width}x{channels}", str(entry.image_format.n_classes), here, entry.description)
    table.add_row("PATH", "any size", "any", "", f"Your own data: {list_file_formats()}")
    console = open_console()
    console.print(table)
    console.print("Download a missing dataset with `tuner dataset fetch NAME`.", highlight=False)


@app.command("show")
def show_dataset(
    name: Annotated[
        str,
        typer.Argument(
            help="A name from `tuner dataset list`, or a path.", metavar="NAME|PATH", autocompletion=complete_datasets
        ),
    ],
    *,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a PNG with samples of every class to this file.", metavar="FILE")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page with samples, class balance and augmented images to this file.", metavar="FILE"
        ),
    ] = None,
    resize: Annotated[
        str | None, typer.Option(help="Scale every image, like `data.resize`.", metavar="HEIGHTxWIDTH")
    ] = None,
    resize_how: Annotated[
        str, typer.Option(help="How images get another shape, like `data.resize_how`.", metavar="stretch|crop|pad")
    ] = "stretch",
    group: Annotated[
        str | None,
        typer.Option(help="Column that says which images stay together, like `data.group`.", metavar="COLUMN"),
    ] = None,
    pixel_range: Annotated[
        str,
        typer.Option("--range", help="Stored values of black and white, like `data.range`.", metavar="LOW,HIGH|auto"),
    ] = "auto",
    background: Annotated[
        str, typer.Option(help="Background of transparent images, like `data.background`.", metavar="white|black|auto")
    ] = "auto",
    invert: Annotated[
        str, typer.Option(help="Invert all images, like `data.invert`.", metavar="true|false|auto")
    ] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Count a dataset's training images and show what their pixels mean; the test set stays closed."""
    size = _parse_size(resize)
    how = _parse_how(resize_how)
    pixels = _parse_pixels(pixel_range, background, invert)
    settings = settings_for(None)

    from tuner.datasets.catalogue import open_dataset
    from tuner.datasets.reading import ReadingSettings, UnreadableDataError
    from tuner.datasets.sample_sheet import write_sample_sheet
    from tuner.datasets.summary import summarise

    doing = "Reading the images …"
    try:
        with open_progress_console().status(doing) as status:
            decoded = decoding_shown(settings, status, doing)
            reading = ReadingSettings(resize=size, resize_how=how, group=group, decoded=decoded)
            dataset = open_dataset(name, data_dir=settings.data_dir, reading=reading, pixels=pixels)
            part = dataset.read_training_part()
    except UnreadableDataError as error:
        if as_json:
            print_json({"name": name, "problems": error.problems})
        raise
    summary = summarise(dataset, part)
    if sheet:
        write_sample_sheet(part.images, sheet)
    if html:
        _write_page(summary, part.images, html)
    if as_json:
        print_json(dataclasses.asdict(summary) | {"problems": []})
        return
    _print_summary(summary)
    print_warnings(summary.warnings)
    if sheet:
        open_console().print(f"samples: {sheet}", highlight=False, markup=False, soft_wrap=True)
    if html:
        open_console().print(f"page: {html}", highlight=False, markup=False, soft_wrap=True)


@app.command("fetch")
def fetch(
    name: Annotated[
        str, typer.Argument(help="A name from `tuner dataset list`.", metavar="NAME", autocompletion=complete_datasets)
    ],
) -> None:
    """Download a dataset and check it; an interrupted download is continued."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from tuner.datasets.catalogue import find_entry
    from tuner.datasets.published.fetch import fetch_dataset

    entry = find_entry(name)
    folder = settings_for(None).data_dir / name
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=open_progress_console()) as progress:
        tasks = {}

        def show(file: str, done: int, total: int | None) -> None:
            if file not in tasks:
                tasks[file] = progress.add_task(file)
            progress.update(tasks[file], completed=done, total=total)

        fetched = fetch_dataset(entry, folder, on_progress=show)
    here = f"whole in {folder}, nothing to fetch" if entry.publication else entry.how_to_get
    what = f"fetched {', '.join(fetched)} into {folder}" if fetched else here
    open_console().print(f"{name}: {what}", highlight=False, markup=False, soft_wrap=True)


def _write_page(summary: "Summary", images: "LabelledImages", path: Path) -> None:
    """Write the page of the images, divided and augmented as a study with the default settings would."""
    with open_progress_console().status("Drawing the images …"):
        from tuner.training.backend import load_backend

        load_backend()
        from tuner.jobs.finals.pictures import draw_dataset
        from tuner.report.dataset_page import write_dataset_page

        write_dataset_page(summary, draw_dataset(images), path)


def _parse_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        height = width = 0
    if min(height, width) < 1:
        raise typer.BadParameter(f"Received {text!r}. Expected HEIGHTxWIDTH, such as 28x28.", param_hint="--resize")
    return height, width


def _parse_how(text: str) -> "ResizeHow":
    if text not in _HOW:
        raise typer.BadParameter(f"Received {text!r}. Expected stretch, crop or pad.", param_hint="--resize-how")
    return _HOW[text]


def _parse_pixels(pixel_range: str, background: str, invert: str) -> "PixelSettings":
    from tuner.datasets.pixels.decision import PixelSettings
    from tuner.datasets.pixels.stored_range import parse_range

    if background not in _BACKGROUNDS:
        raise typer.BadParameter(f"Received {background!r}. Expected white, black or auto.", param_hint="--background")
    if invert not in _INVERT:
        raise typer.BadParameter(f"Received {invert!r}. Expected true, false or auto.", param_hint="--invert")
    try:
        limits = parse_range(pixel_range)
    except ValueError as error:
        raise typer.BadParameter(f"{pixel_range!r}: {error}.", param_hint="--range") from error
    return PixelSettings(range=limits, background=_BACKGROUNDS[background], invert=_INVERT[invert])


def _draw_histogram(shares: Sequence[float]) -> str:
    """Return one block for each share, as high as the square root of the share; only 0 is an empty block."""
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[math.ceil(math.sqrt(share / max(shares)) * steps)] for share in shares)


def _print_summary(summary: "Summary") -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("class", "images", "share")
    for shown in summary.classes:
        table.add_row(escape(shown.name), f"{shown.n_images:,}", format_percent(shown.share))
    console = open_console()
    kind = "grey" if summary.channels == 1 else "RGB"
    console.print(f"{summary.name}: {summary.description}", highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"{summary.n_images:,} training images, {summary.height}x{summary.width} {kind}, {len(summary.classes)} "
        f"classes, the largest {summary.imbalance:.2f} times the smallest",
        highlight=False,
        soft_wrap=True,
    )
    console.print(table)
    console.print(f"pixels: {summary.pixels.describe()}", highlight=False, soft_wrap=True)
    console.print(
        f"as models see them: 0 |{_draw_histogram(summary.histogram)}| 1",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    console.print(
        'models take them as float32 from 0 to 1; with data.images = "uint8-range" from 0 to 255',
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    scored = f"its own, {summary.n_validation:,} of these images" if summary.n_validation else "drawn for each study"
    console.print(f"validation set: {scored}", highlight=False)
    origin = "its own" if summary.has_test_set else "a fifth of every class, held out"
    console.print(f"test set: {origin}; shown to models by finals alone", highlight=False)
