"""`tuner study definitions`: the study definitions that come with tuner."""

from typing import Annotated

import typer

from tuner.cli.options import JsonOption
from tuner.cli.output import open_console, print_json


def definitions(
    name: Annotated[
        str | None, typer.Argument(help="Print this one, to make a copy: … > mine.toml.", metavar="NAME")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the study definitions that come with tuner, for `tuner run NAME` and `tuner study create NAME`."""
    from tuner.errors import did_you_mean
    from tuner.studies.definitions.shipped import find_shipped, list_shipped

    shipped = list_shipped()
    if name is not None:
        path = find_shipped(name)
        if path is None:
            names = [one.name for one in shipped]
            raise typer.BadParameter(
                f"No definition named {name!r} comes with tuner.{did_you_mean(name, names)} Expected one of: "
                f"{', '.join(names)}.",
                param_hint="NAME",
            )
        typer.echo(path.read_text(encoding="utf-8"), nl=False)
    elif as_json:
        print_json([{"name": one.name, "description": one.description, "path": str(one.path)} for one in shipped])
    else:
        from rich.table import Table

        table = Table("definition", "description")
        for one in shipped:
            table.add_row(one.name, one.description)
        open_console().print(table)
