"""`tuner run`: a study from its definition to its report, in one command."""

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.definitions import NoCheckOption, warnings_on
from tuner.cli.options import CountOption, DeviceOption, SetOption, StorageOption, parse_count, settings_for
from tuner.cli.output import open_progress_console


def run(
    definition: Annotated[Path, typer.Argument(help="A study definition in TOML, such as studies/digits.toml.")],
    *,
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

    Started again after an interruption it goes on where it was.
    """
    from tuner.studies.definition import read_definition

    n_workers = parse_count(count)
    wanted = read_definition(definition, changes or [])
    settings = settings_for(storage)
    console = open_progress_console()
    with console.status("Trying what search and finals will need …"):
        from tuner.studies.storage import open_storage
        from tuner.workers.creation import create_or_continue

        with open_storage(settings.storage) as opened:
            create_or_continue(
                opened, wanted, data_dir=settings.data_dir, check=not no_check, on_report=warnings_on(console)
            )
    from tuner.workers.pool import run_pool

    status = run_pool(settings, [wanted.name], n_workers=n_workers, device=device, until_done=True)
    if status:
        raise typer.Exit(status)
    from tuner.cli.report import report
    from tuner.cli.study import show

    show(wanted.name, storage=storage)
    report([wanted.name], out=(out or settings.home / "reports" / wanted.name) / "report.html", storage=storage)
