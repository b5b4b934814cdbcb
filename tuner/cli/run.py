"""`tuner run`: a study from its definition to its report, in one command."""

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import CountOption, DeviceOption, SetOption, StorageOption, parse_count, settings_for
from tuner.cli.output import open_progress_console, print_warnings


def run(
    definition: Annotated[Path, typer.Argument(help="A study definition in TOML, such as studies/digits.toml.")],
    *,
    count: CountOption = "auto",
    device: DeviceOption = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html; .tuner/reports/NAME without.", metavar="DIR")
    ] = None,
    changes: SetOption = None,
    storage: StorageOption = None,
) -> None:
    """Create a study, search, make its finals, write its report.

    Started again after an interruption it goes on where it was.
    """
    from tuner.studies.definition import read_definition

    n_workers = parse_count(count)
    wanted = read_definition(definition, changes or [])
    settings = settings_for(storage)
    with open_progress_console().status("Checking the dataset and the space …"):
        from tuner.studies.storage import open_storage
        from tuner.workers.creation import create_or_continue

        with open_storage(settings.storage) as opened:
            study = create_or_continue(opened, wanted, data_dir=settings.data_dir)
    print_warnings((study.pixels or {}).get("warnings", ()))
    from tuner.workers.pool import run_pool

    status = run_pool(settings, [wanted.name], n_workers=n_workers, device=device, until_done=True)
    if status:
        raise typer.Exit(status)
    from tuner.cli.report import report
    from tuner.cli.study import show

    show(wanted.name, storage=storage)
    report([wanted.name], out=(out or settings.home / "reports" / wanted.name) / "report.html", storage=storage)
