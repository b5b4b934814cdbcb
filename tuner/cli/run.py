"""`tuner run`: a study from its definition to its report, in one command."""

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.definitions import NoCheckOption, warnings_on
from tuner.cli.ending import exit_if_incomplete
from tuner.cli.options import (
    CountOption,
    DeviceOption,
    SetOption,
    StorageOption,
    parse_count,
    settings_for,
    toml_value,
)
from tuner.cli.output import open_progress_console


def run(
    definition: Annotated[Path, typer.Argument(help="A study definition in TOML, such as studies/digits.toml.")],
    *,
    name: Annotated[
        str | None, typer.Option(help="Name of the study; the definition's own without.", metavar="NAME")
    ] = None,
    count: CountOption = "auto",
    device: DeviceOption = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html; .tuner/reports/NAME without.", metavar="DIR")
    ] = None,
    changes: SetOption = None,
    no_check: NoCheckOption = False,
    storage: StorageOption = None,
) -> None:
    """Create a study, search, make its finals, write its report.

    Started again after an interruption it goes on where it was. Exit status 1 when the study ends without what was
    asked for: without a score, without finals, or with a part of the finals failed.
    """
    from tuner.studies.definition import read_definition
    from tuner.studies.finals_plan import describe_plan

    n_workers = parse_count(count)
    renamed = [] if name is None else [f"name={toml_value(name)}"]
    wanted = read_definition(definition, [*(changes or []), *renamed])
    settings = settings_for(storage)
    console = open_progress_console()
    with console.status("Trying what search and finals will need …"):
        from tuner.jobs.creation import create_or_continue
        from tuner.studies.lifecycle import list_names
        from tuner.studies.storage import open_storage

        with open_storage(settings.storage) as opened:
            is_new = wanted.name not in list_names(opened)
            create_or_continue(
                opened, wanted, data_dir=settings.data_dir, check=not no_check, on_report=warnings_on(console)
            )
    if is_new:
        typer.echo(f"Study {wanted.name}: {describe_plan(wanted)}", err=True)
    from tuner.cli.progress import follow
    from tuner.workers.pool import run_pool

    status = run_pool(settings, [wanted.name], n_workers=n_workers, device=device, until_done=True, follow=follow)
    if status:
        raise typer.Exit(status)
    from tuner.cli.report import report
    from tuner.cli.study import print_study

    record = print_study(wanted.name, settings)
    report([wanted.name], out=(out or settings.home / "reports" / wanted.name) / "report.html", storage=storage)
    exit_if_incomplete([record])
