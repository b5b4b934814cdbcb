"""`tuner study check`: whether a study would work, without storing it."""

import typer

from tuner.cli.definitions import (
    DatasetOption,
    EpochsOption,
    FileArgument,
    NameOption,
    PrunerOption,
    SamplerOption,
    SeedOption,
    SpaceOption,
    TrialsOption,
    WarmStartOption,
    read_wanted,
    warnings_on,
)
from tuner.cli.options import JsonOption, SetOption, StorageOption, settings_for
from tuner.cli.output import format_duration, open_progress_console, print_json


def check(
    definition: FileArgument = None,
    *,
    space: SpaceOption = None,
    dataset: DatasetOption = None,
    name: NameOption = None,
    trials: TrialsOption = None,
    epochs: EpochsOption = None,
    sampler: SamplerOption = None,
    pruner: PrunerOption = None,
    seed: SeedOption = None,
    warm_start: WarmStartOption = None,
    changes: SetOption = None,
    as_json: JsonOption = False,
    storage: StorageOption = None,
) -> None:
    """Try on a few images what search and finals of a study will need; nothing is stored.

    Exit status 1 when a stage fails.
    """
    from dataclasses import asdict

    from tuner.jobs.creation import try_study
    from tuner.jobs.preflight.report import StageReport

    wanted = read_wanted(
        definition,
        space=space,
        dataset=dataset,
        name=name,
        trials=trials,
        epochs=epochs,
        sampler=sampler,
        pruner=pruner,
        seed=seed,
        warm_start=warm_start,
        changes=changes,
    )
    settings = settings_for(storage)
    print_warnings = warnings_on(open_progress_console())
    reports: list[StageReport] = []

    def tell(report: StageReport) -> None:
        reports.append(report)
        if not as_json:
            print_warnings(report)
            word = "works" if report.problem is None else "FAILS"
            typer.echo(f"{word}  {report.stage:<23}  {format_duration(report.duration_s)}")

    try:
        try_study(wanted, storage_url=settings.storage, data_dir=settings.data_dir, on_report=tell)
    finally:
        if as_json:
            print_json([asdict(report) for report in reports])
