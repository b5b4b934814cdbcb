"""`tuner export`: a bundle's model in formats that need no tuner."""

from typing import Annotated

import typer

from tuner.cli.options import BundleArgument, JsonOption, settings_for
from tuner.cli.output import open_progress_console, print_json


def export(
    bundle: BundleArgument,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            help="File or URL (s3://…) to write: .keras, .weights.h5, .onnx or .tflite; a name without a suffix is the "
            "folder of a SavedModel. Its model card is written beside it.",
            metavar="FILE",
        ),
    ] = None,
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="keras, weights, saved-model, onnx or litert.",
            metavar="FORMAT",
            show_default="by the suffix",
        ),
    ] = None,
    takes: Annotated[
        str,
        typer.Option(
            "--input",
            help="What the exported model takes: float32 as the model takes it, or uint8 from 0 to 255.",
            metavar="DTYPE",
        ),
    ] = "float32",
    script: Annotated[
        bool, typer.Option("--script", help="Print plain Keras code that builds and trains this model, instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a bundle's model for use without tuner, with a model card; an ensemble becomes one model."""
    if script == (to is not None):
        raise typer.BadParameter("Expected either --to FILE or --script.", param_hint="--to")
    if takes not in {"float32", "uint8"}:
        raise typer.BadParameter(f"Received {takes!r}. Expected float32 or uint8.", param_hint="--input")
    console = open_progress_console()
    with console.status("Loading the model …"):
        from tuner.training.backend import load_backend

        load_backend()
        from tuner.bundles.ensemble import read_model_file
        from tuner.bundles.export import export_model
        from tuner.bundles.script import write_script

        model = read_model_file(bundle, artifacts=settings_for(None).artifacts)
        if to is None:
            text = write_script(model)
        else:
            files = export_model(model, to, format_name=format_name, takes="uint8" if takes == "uint8" else "float32")
    if to is None:
        typer.echo(text, nl=False)
    elif as_json:
        print_json(
            {
                "file": files.place,
                "card": files.card,
                "format": files.format,
                "input": files.input,
                "needs": list(files.needs),
            }
        )
    else:
        typer.echo(files.place)
        if files.needs:
            console.print(
                f"To load it, Python must find {', '.join(files.needs)}; {files.card} shows how.",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )
