"""`tuner run`: a study from its definition to its report, in one command."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.creation import create_shown, open_check
from tuner.cli.definitions import takes_definition
from tuner.cli.endings import exit_if_incomplete
from tuner.cli.options import (
    CountOption,
    DeviceOption,
    NoCheckOption,
    PerGpuOption,
    StorageOption,
    settings_for,
)
from tuner.cli.plan import describe_budget, describe_expectation, telling_time
from tuner.cli.ray import (
    CpusPerWorkerOption,
    GpusPerWorkerOption,
    RayOption,
    open_server,
    read_places,
    run_workers,
)
from tuner.cli.report import write_page
from tuner.cli.watching_options import LogFormat, LogFormatOption, pass_log_format

if TYPE_CHECKING:
    from tuner.jobs.preflight.process import PreflightProcess
    from tuner.settings import Settings
    from tuner.studies.definitions.definition import StudyDefinition


@takes_definition
def run(
    wanted: "StudyDefinition",
    *,
    count: CountOption = "auto",
    per_gpu: PerGpuOption = "1",
    device: DeviceOption = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html.", metavar="DIR", show_default=".tuner/reports/NAME")
    ] = None,
    no_check: NoCheckOption = False,
    ray: RayOption = None,
    cpus_per_worker: CpusPerWorkerOption = 1.0,
    gpus_per_worker: GpusPerWorkerOption = 0.0,
    log_format: LogFormatOption = LogFormat.text,
    storage: StorageOption = None,
) -> None:
    """Create a study from a file, from options, or from both; run its search and its finals, and write its report.

    Start it again after an interruption to continue. Exit status 1 when the study ends without a score or without
    finals, or when a part of the finals has failed.
    """
    places = read_places(
        ray,
        count=count,
        per_gpu=per_gpu,
        device=device,
        cpus_per_worker=cpus_per_worker,
        gpus_per_worker=gpus_per_worker,
    )
    options = pass_log_format(log_format)
    settings = settings_for(storage)
    _refuse_to_begin(settings, on_ray=ray is not None)
    with (
        open_server(settings, places) as server,
        open_check(no_check=no_check, server=server, measures_later=True) as process,
    ):
        # Another process imports Keras while this one imports the rest.
        from tuner.workers.shares import divide_machine
        from tuner.workers.work import Work

        n_here = None if ray is not None else len(divide_machine(places.n_workers, device=device))
        with _create_or_find(wanted, settings, process, n_workers=n_here):
            work = Work(studies=[wanted.name], until_done=True, options=options)
            status = run_workers(settings, work, places, server=server)
    if status:
        raise typer.Exit(status)
    _show_results(wanted.name, settings, out=(out or settings.home / "reports" / wanted.name) / "report.html")


def _refuse_to_begin(settings: "Settings", *, on_ray: bool) -> None:
    """Raise before anything is stored where no worker could train."""
    if on_ray:
        from tuner.workers.cluster.pool import refuse_local_database

        refuse_local_database(settings)
    else:
        from tuner.training.backend import refuse_without_backend

        refuse_without_backend()


def _create_or_find(
    wanted: "StudyDefinition", settings: "Settings", process: "PreflightProcess | None", *, n_workers: int | None
) -> "AbstractContextManager[None]":
    """Create the study, unless an earlier start has; in the context returned, its time is measured meanwhile."""
    from tuner.jobs.creation import find_equal_study
    from tuner.studies.database.storage import open_storage

    with open_storage(settings.storage) as opened:
        if find_equal_study(opened, wanted) is not None:
            return nullcontext()
        study = create_shown(opened, wanted, settings, process=process, has_workers=n_workers is not None)
    typer.echo(f"Created study {study.name}.", err=True)
    if process is not None and process.is_measuring:
        typer.echo(describe_budget(study), err=True)
        return telling_time(process, settings, study, n_workers=n_workers)
    for line in describe_expectation(study, n_workers=n_workers):
        typer.echo(line, err=True)
    return nullcontext()


def _show_results(name: str, settings: "Settings", *, out: Path) -> None:
    """Print the study, write its report, and end with status 1 when its result is incomplete."""
    from tuner.artifacts import ArtifactStore
    from tuner.cli.study_text import print_record
    from tuner.studies.database.storage import open_storage
    from tuner.studies.records.reading import load_outline

    with open_storage(settings.storage) as opened:
        record = load_outline(opened, name)
    print_record(record, ArtifactStore(settings.artifacts))
    typer.echo(write_page(settings, [name], out))
    exit_if_incomplete([record])
