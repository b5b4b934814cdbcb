"""`tuner report`: an HTML page about one study, or several."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.completion import complete_studies
from tuner.cli.options import StorageOption, settings_for
from tuner.cli.output import open_progress_console

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuner.settings import Settings


def report(
    studies: Annotated[
        list[str],
        typer.Argument(help="Names of studies; several are compared.", metavar="NAME", autocompletion=complete_studies),
    ],
    *,
    out: Annotated[Path, typer.Option(help="File to write.", metavar="FILE")] = Path("report.html"),
    storage: StorageOption = None,
) -> None:
    """Write the results of studies as one HTML file that needs no network; an older file of that name is replaced."""
    is_replaced = os.path.exists(out)  # noqa: PTH110 - False for names that no file can have, where pathlib raises
    path = write_page(settings_for(storage), studies, out)
    if is_replaced:
        typer.echo(f"Replaced an older {out.name}; --out FILE writes another file.", err=True)
    typer.echo(path)


def write_page(settings: "Settings", studies: "Iterable[str]", out: Path) -> Path:
    """Write the report of these studies, and show meanwhile that it is being written; return its absolute path.

    Raises:
        TunerError: A study is unknown, or the file cannot be written.
    """
    from tuner.artifacts import ArtifactStore
    from tuner.studies.database.storage import open_storage
    from tuner.studies.records.reading import load_scores

    with open_progress_console().status("Writing the report …"):
        from tuner.report.page import write_report

        with open_storage(settings.storage) as opened:
            records = [load_scores(opened, name) for name in dict.fromkeys(studies)]
        return write_report(records, ArtifactStore(settings.artifacts), out)
