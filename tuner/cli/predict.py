"""`tuner predict`: classify images with a bundle."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import BundleArgument, JsonOption, settings_for
from tuner.cli.output import format_percent, open_console, open_progress_console

if TYPE_CHECKING:
    from rich.table import Table

    from tuner.bundles.prediction import Prediction, Unread
    from tuner.bundles.prediction_lists import Tally
    from tuner.datasets.left_out import LeftOut

#: Characters of a full probability bar.
_BAR_WIDTH = 20
#: Rows of the table; a CSV file has all.
_MOST_ROWS = 200


def predict(
    bundle: BundleArgument,
    images: Annotated[
        list[str],
        typer.Argument(
            help="PNG, JPEG, TIFF, BMP, GIF or WebP images of any size, folders with all such images below them, or "
            "URLs (s3://…) of either.",
            metavar="IMAGE|FOLDER",
        ),
    ],
    *,
    out: Annotated[
        str | None,
        typer.Option(help="CSV file or URL (s3://…) to write file,class,probability to.", metavar="FILE.csv"),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="With --out: one more column for each class, its probability.")
    ] = False,
    show: Annotated[
        Path | None,
        typer.Option(help="Write a PNG of the first images as the model sees them to this file.", metavar="FILE"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the class of each image.

    Where the folder of an image is named after a class, the share of right predictions is printed too.
    """
    _refuse_contradictions(out=out, probabilities=probabilities, as_json=as_json)
    from rich.progress import Progress

    from tuner.bundles.ensemble import class_names_of, read_model_file
    from tuner.bundles.picture_places import find_pictures
    from tuner.bundles.prediction_lists import Tally, as_json_file, write_csv

    console = open_progress_console()
    # Without a terminal a bar would leave an empty line before an error.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Looking for images", total=None)
        found = find_pictures(images)
        progress.update(task, description="Loading the model")
        from tuner.training.backend import load_backend

        load_backend()
        from tuner.bundles.prediction import Unread, predict_pictures

        model = read_model_file(bundle, artifacts=settings_for(None).artifacts)
        progress.update(task, description="Predicting", total=len(found.pictures))
        tally, unread = Tally(class_names=class_names_of(model)), Unread()
        predictions = tally.counted(
            predict_pictures(
                model,
                found.pictures,
                show=show,
                on_progress=lambda n_read: progress.update(task, completed=n_read),
                unread=unread,
            )
        )
        table = None
        if out is not None:
            write_csv(predictions, out, class_names=tally.class_names, probabilities=probabilities)
        elif as_json:
            with as_json_file(predictions) as file:
                shutil.copyfileobj(file, sys.stdout)
        else:
            table = _build_table(predictions)
    if table is not None:
        open_console().print(table)
    for line in _describe(tally, found.left_out, unread, out=out, is_table=table is not None):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _refuse_contradictions(*, out: str | None, probabilities: bool, as_json: bool) -> None:
    if as_json and out is not None:
        raise typer.BadParameter("Expected --json or --out, not both.", param_hint="--out")
    if probabilities and out is None:
        raise typer.BadParameter("Expected --out FILE.csv beside it; --json has them.", param_hint="--probabilities")
    if out is not None and not out.lower().endswith(".csv"):
        raise typer.BadParameter(f"Received {out!r}. Expected a name that ends in .csv.", param_hint="--out")


def _describe(
    tally: "Tally", left_out: "LeftOut", unread: "Unread", *, out: str | None, is_table: bool
) -> Iterable[str]:
    """Yield what people should know beside the predictions, for stderr."""
    from tuner.bundles.picture_files import list_problems
    from tuner.intervals import wilson_interval

    if is_table and tally.n > _MOST_ROWS:
        yield f"and {tally.n - _MOST_ROWS:,} more images. Write all of them with --out predictions.csv."
    if out is not None:
        yield f"{tally.n:,} {'prediction' if tally.n == 1 else 'predictions'} in {out}."
    if tally.n_in_class_folders:
        low, high = wilson_interval(tally.n_as_folder, tally.n_in_class_folders)
        yield (
            f"{format_percent(tally.n_as_folder / tally.n_in_class_folders)} of {tally.n_in_class_folders:,} images "
            f"have the class that their folder is named after (95 % interval {format_percent(low)} to "
            f"{format_percent(high)})."
        )
    if left_out.counts:
        yield left_out.describe()
    if unread.problems:
        images = "images" if len(unread.problems) > 1 else "image"
        yield f"{len(unread.problems):,} {images} could not be read: {list_problems(unread.problems)}."


def _build_table(predictions: Iterable["Prediction"]) -> "Table":
    from rich.markup import escape
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    rest = iter(predictions)
    first: Sequence[Prediction] = list(islice(rest, _MOST_ROWS))
    for _ in rest:
        # They are counted; a table of all of them would not be read.
        pass
    table = Table("file", "class", "", "probability", box=None)
    for prediction in first:
        bar = ProgressBar(total=1, completed=prediction.probability, width=_BAR_WIDTH)
        share = format_percent(prediction.probability, digits=1)
        table.add_row(escape(str(prediction.file)), escape(prediction.class_name), bar, share)
    return table
