"""`tuner study check`: whether a study would work, without storing it."""

from typing import TYPE_CHECKING

import typer

from tuner.cli.creation import open_check, warnings_on
from tuner.cli.definitions import takes_definition
from tuner.cli.options import JsonOption, StorageOption, settings_for
from tuner.cli.output import format_duration, open_progress_console, print_json

if TYPE_CHECKING:
    from tuner.studies.definitions.definition import StudyDefinition


@takes_definition
def check(wanted: "StudyDefinition", *, as_json: JsonOption = False, storage: StorageOption = None) -> None:
    """Try on a few images what search and finals of a study will need; nothing is stored.

    Exit status 1 when a stage fails.
    """
    from dataclasses import asdict

    from tuner.jobs.preflight.report import StageReport
    from tuner.training.backend import refuse_without_backend

    refuse_without_backend()
    settings = settings_for(storage)
    print_warnings = warnings_on(open_progress_console())
    reports: list[StageReport] = []

    def show(report: StageReport) -> None:
        reports.append(report)
        if not as_json:
            print_warnings(report)
            word = "works" if report.problem is None else "FAILS"
            typer.echo(f"{word}  {report.stage:<23}  {format_duration(report.duration_s)}")

    try:
        with open_check(no_check=False) as process:
            from tuner.datasets.reading import DecodedPictures
            from tuner.jobs.creation import try_study

            try_study(
                wanted,
                storage_url=settings.storage,
                data_dir=settings.data_dir,
                process=process,
                on_report=show,
                decoded=DecodedPictures(folder=settings.picture_cache),
            )
    finally:
        if as_json:
            print_json([asdict(report) for report in reports])
