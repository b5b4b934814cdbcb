"""`tuner study settings`: what can be written into a study definition, and after `--set`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import JsonOption
from tuner.cli.output import open_console, print_json

if TYPE_CHECKING:
    from tuner.studies.definitions.settings_reference import SectionReference


def settings(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A section such as search.pruning, or a key such as search.trials.",
            metavar="[SECTION|KEY]",
            show_default="all settings",
        ),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the settings of a study with default, allowed values and meaning.

    A definition file has them in its sections, as `trials = 50` below `[search]`; on the command line they follow
    --set, as in `--set search.trials=50`.
    """
    from dataclasses import asdict

    from tuner.studies.definitions.settings_reference import find_settings, list_settings

    sections = list_settings() if name is None else find_settings(name)
    if as_json:
        print_json([asdict(section) for section in sections])
        return
    for number, section in enumerate(sections):
        if number:
            typer.echo()
        _print_section(section)
    inner = [one.name for one in list_settings() if len(sections) == 1 and one.name.startswith(f"{sections[0].name}.")]
    if name is not None and inner and len(sections[0].settings) > 1:
        typer.echo(f"\nSections within it: {', '.join(inner)}")


def _print_section(section: "SectionReference") -> None:
    from rich.markup import escape
    from rich.table import Table

    header = f"[{section.name}] {section.meaning}" if section.name else "Above all sections"
    table = Table("setting", "default", "allowed", "meaning", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for setting in section.settings:
        name = setting.key.removeprefix(f"{section.name}.") if section.name else setting.key
        allowed = f"{setting.allowed} ({setting.unit})" if setting.unit else setting.allowed
        table.add_row(name, escape(setting.default), escape(allowed), escape(setting.meaning))
    console = open_console()
    console.print(f"[bold]{escape(header)}[/]", highlight=False)
    if section.may_be_ranges:
        console.print("Each value may be a range: {low = …, high = …} or {values = […]}.", highlight=False)
    console.print(table, highlight=False)
