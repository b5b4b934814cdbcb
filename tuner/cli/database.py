"""`tuner database`: prepare a database for workers and dashboards."""

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import StorageOption, settings_for

app = typer.Typer(help="The database: its tables, and a role that only reads.", no_args_is_help=True)


@app.command()
def prepare(
    *,
    reader: Annotated[
        str | None, typer.Option(help="Create this Postgres role, which can only read.", metavar="ROLE")
    ] = None,
    reader_password_file: Annotated[
        Path | None,
        typer.Option(help="File that holds the reader's password.", metavar="FILE", exists=True, dir_okay=False),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Create or update the tables; it may be repeated, and workers do it too."""
    from tuner.studies.database.reader_role import create_reader
    from tuner.studies.database.storage import open_storage
    from tuner.studies.database.url import printable_url

    if (reader is None) != (reader_password_file is None):
        raise typer.BadParameter("Give both or neither.", param_hint="--reader, --reader-password-file")
    settings = settings_for(storage)
    with open_storage(settings.storage) as opened:
        if reader is not None and reader_password_file is not None:
            password = reader_password_file.read_text().rstrip("\n")
            create_reader(opened, role=reader, password=password)
    typer.echo(f"{printable_url(settings.storage)} is ready{f', {reader} can read it' if reader else ''}.")
