"""`tuner report`: one HTML page of one study or several."""

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import StorageOption, settings_for
from tuner.cli.output import open_progress_console


def report(
    studies: Annotated[list[str], typer.Argument(help="Names of studies; several are compared.", metavar="NAME...")],
    *,
    out: Annotated[Path, typer.Option(help="File to write.", metavar="FILE")] = Path("report.html"),
    storage: StorageOption = None,
) -> None:
    """Write what studies found as one HTML file that needs no network."""
    from tuner.artifacts import ArtifactStore
    from tuner.studies.reading import load_scores
    from tuner.studies.storage import open_storage

    settings = settings_for(storage)
    with open_progress_console().status("Writing the report …"):
        from tuner.report.page import write_report

        with open_storage(settings.storage) as opened:
            records = [load_scores(opened, name) for name in dict.fromkeys(studies)]
        path = write_report(records, ArtifactStore(settings.artifacts), out)
    typer.echo(path)
