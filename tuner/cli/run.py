"""`tuner run`: a study from its definition to its report, in one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.creation import create_shown, open_check
from tuner.cli.definitions import factors_of
from tuner.cli.endings import exit_if_incomplete
from tuner.cli.options import (
    CountOption,
    DeviceOption,
    NoCheckOption,
    SetOption,
    StorageOption,
    VaryOption,
    parse_count,
    settings_for,
)
from tuner.cli.report import write_page
from tuner.cli.watching_options import LogFormat, LogFormatOption, pass_log_format

if TYPE_CHECKING:
    from tuner.jobs.preflight.process import PreflightProcess
    from tuner.settings import Settings
    from tuner.studies.definition import StudyDefinition


def run(
    definition: Annotated[Path, typer.Argument(help="A study definition in TOML, such as studies/digits.toml.")],
    *,
    name: Annotated[
        str | None, typer.Option(help="Name of the study. Default: the definition's.", metavar="NAME")
    ] = None,
    count: CountOption = "auto",
    device: DeviceOption = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html. Default: .tuner/reports/NAME.", metavar="DIR")
    ] = None,
    vary: VaryOption = None,
    overrides: SetOption = None,
    no_check: NoCheckOption = False,
    log_format: LogFormatOption = LogFormat.text,
    storage: StorageOption = None,
) -> None:
    """Create a study, run its search and its finals, and write its report.

    Start it again after an interruption to continue. Exit status 1 when the study ends without a score or without
    finals, or when a part of the finals has failed.
    """
    n_workers = parse_count(count)
    worker_options = pass_log_format(log_format)
    settings = settings_for(storage)
    with open_check(no_check=no_check) as process:
        # The process of the check imports Keras while this one imports the rest.
        from tuner.cli.progress import follow
        from tuner.studies.definition import read_definition
        from tuner.workers.pool import run_pool

        changes = factors_of(vary) | ({} if name is None else {"name": name})
        wanted = read_definition(definition, overrides or (), changes=changes)
        _create_or_find(wanted, settings, process)
    status = run_pool(
        settings,
        [wanted.name],
        n_workers=n_workers,
        device=device,
        until_done=True,
        follow=follow,
        worker_options=worker_options,
    )
    if status:
        raise typer.Exit(status)
    _show_results(wanted.name, settings, out=(out or settings.home / "reports" / wanted.name) / "report.html")


def _create_or_find(wanted: "StudyDefinition", settings: "Settings", process: "PreflightProcess | None") -> None:
    """Create the study, unless an earlier start has."""
    from tuner.jobs.creation import find_equal_study
    from tuner.studies.finals_plan import describe_plan
    from tuner.studies.storage import open_storage

    with open_storage(settings.storage) as opened:
        if find_equal_study(opened, wanted) is None:
            create_shown(opened, wanted, settings, process=process)
            typer.echo(f"Study {wanted.name}: {describe_plan(wanted)}", err=True)


def _show_results(name: str, settings: "Settings", *, out: Path) -> None:
    """Print the study, write its report, and end with status 1 when its result is incomplete."""
    from tuner.artifacts import ArtifactStore
    from tuner.cli.study_text import print_record
    from tuner.studies.reading import load_outline
    from tuner.studies.storage import open_storage

    with open_storage(settings.storage) as opened:
        record = load_outline(opened, name)
    print_record(record, ArtifactStore(settings.artifacts))
    typer.echo(write_page(settings, [name], out))
    exit_if_incomplete([record])
