"""`tuner predict`: classify images with a bundle."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import BundleArgument, JsonOption, settings_for
from tuner.cli.output import format_percent, open_console, open_progress_console, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from tuner.bundles.prediction import Prediction

#: Characters of a full probability bar.
_BAR_WIDTH = 20


def predict(
    bundle: BundleArgument,
    images: Annotated[
        list[Path], typer.Argument(help="PNG, JPEG, BMP, GIF or WebP images of any size.", metavar="IMAGE")
    ],
    *,
    show: Annotated[
        Path | None, typer.Option(help="Write a PNG of each image as the model sees it to this file.", metavar="FILE")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the class of each image."""
    with open_progress_console().status("Loading the model …"):
        from tuner.training.backend import load_backend

        load_backend()
        from tuner.bundles.ensemble import read_model_file
        from tuner.bundles.prediction import predict_files

        predictions = predict_files(read_model_file(bundle, artifacts=settings_for(None).artifacts), images, show=show)
    if as_json:
        print_json(
            [
                {
                    "file": str(prediction.file),
                    "class": prediction.class_name,
                    "probability": prediction.probability,
                    "probabilities": dict(prediction.probabilities),
                }
                for prediction in predictions
            ]
        )
    else:
        open_console().print(_build_table(predictions))


def _build_table(predictions: Sequence["Prediction"]) -> "Table":
    from rich.markup import escape
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table("file", "class", "", "probability", box=None)
    for prediction in predictions:
        bar = ProgressBar(total=1, completed=prediction.probability, width=_BAR_WIDTH)
        share = format_percent(prediction.probability, digits=1)
        table.add_row(escape(str(prediction.file)), escape(prediction.class_name), bar, share)
    return table
