"""`tuner submit`: answer a competition with a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import BundleArgument, settings_for
from tuner.cli.output import open_progress_console


def submit(
    bundle: BundleArgument,
    test: Annotated[
        Path, typer.Argument(help="Kaggle's test.csv of pixels, or a folder of test pictures.", metavar="CSV|FOLDER")
    ],
    *,
    out: Annotated[
        str, typer.Option(help="File or URL (s3://…) to write the answers to.", metavar="FILE")
    ] = "submission.csv",
    like: Annotated[
        Path | None,
        typer.Option(
            help="Of a folder: the competition's sample submission, whose columns and ids are taken.",
            metavar="FILE.csv",
            show_default="file,label",
        ),
    ] = None,
) -> None:
    """Predict the class of every image of a CSV, and write ImageId,Label; of every picture of a folder."""
    if like is not None and not test.is_dir():
        raise typer.BadParameter("Expected a folder of pictures beside it.", param_hint="--like")
    from rich.progress import Progress

    console = open_progress_console()
    # Without a terminal a bar would leave an empty line before an error.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Loading the model", total=None)
        from tuner.training.backend import load_backend

        load_backend()
        from tuner.bundles.ensemble import read_model_file
        from tuner.bundles.picture_submission import write_picture_submission
        from tuner.bundles.submission import write_submission

        def show(n_done: int, n_images: int) -> None:
            progress.update(task, description="Predicting", completed=n_done, total=n_images)

        model = read_model_file(bundle, artifacts=settings_for(None).artifacts)
        if test.is_dir():
            n_images = write_picture_submission(model, test, out, like=like, on_progress=show)
        else:
            n_images = write_submission(model, test, out, on_progress=show)
    console.print(f"{n_images:,} answers in {out}. Hand them in with `kaggle competitions submit`.", soft_wrap=True)
