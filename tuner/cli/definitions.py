"""A study as a person gives it: a definition file, or flags; and what is told of its check."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import toml_value
from tuner.spaces.registry import SPACE_NAMES

if TYPE_CHECKING:
    from rich.console import Console

    from tuner.jobs.preflight.report import StageReport
    from tuner.studies.definition import StudyDefinition

FileArgument = Annotated[
    Path | None, typer.Argument(help="A study definition in TOML, such as studies/mnist-cnn.toml.", metavar="FILE")
]
SpaceOption = Annotated[str | None, typer.Option(help=f"{SPACE_NAMES}.")]
DatasetOption = Annotated[str | None, typer.Option(help="A dataset's name or path; mnist without.")]
NameOption = Annotated[str | None, typer.Option(help="Name of the study; DATASET-SPACE without.")]
TrialsOption = Annotated[int | None, typer.Option(help="Trials of the search.")]
EpochsOption = Annotated[int | None, typer.Option(help="Epochs of a trial that is not pruned.")]
SamplerOption = Annotated[str | None, typer.Option(help="tpe, random, gp, grid, qmc or cmaes.")]
PrunerOption = Annotated[str | None, typer.Option(help="asha, hyperband, median, percentile, patient or none.")]
SeedOption = Annotated[int | None, typer.Option(help="Every random number follows from it.")]
WarmStartOption = Annotated[
    str | None, typer.Option(help="An earlier study, whose best trials are tried first.", metavar="STUDY")
]
NoCheckOption = Annotated[
    bool, typer.Option("--no-check", help="Do not try on a few images what search and finals will need.")
]


def read_wanted(
    definition: Path | None,
    *,
    space: str | None,
    dataset: str | None,
    name: str | None,
    trials: int | None,
    epochs: int | None,
    sampler: str | None,
    pruner: str | None,
    seed: int | None,
    warm_start: str | None,
    changes: list[str] | None,
) -> "StudyDefinition":
    """Return the definition of a file with the flags in place of its values, or of the flags alone.

    Raises:
        TunerError: A value is wrong.
        typer.BadParameter: There is neither a file nor a space.
    """
    from tuner.studies.definition import make_definition, read_definition

    flags = {
        "space": space, "dataset": dataset, "name": name, "search.trials": trials, "search.epochs": epochs,
        "search.sampler": sampler, "search.pruner": pruner, "search.warm_start": warm_start, "seed": seed,
    }  # fmt: skip
    if definition is not None:
        given = [f"{key}={toml_value(value)}" for key, value in flags.items() if value is not None]
        return read_definition(definition, [*given, *(changes or [])])
    if space is None:
        raise typer.BadParameter("Give a definition file or --space.", param_hint="FILE")
    return make_definition(
        space=space,
        dataset=dataset or "mnist",
        name=name,
        trials=trials,
        epochs=epochs,
        sampler=sampler,
        pruner=pruner,
        warm_start=warm_start,
        seed=seed,
        overrides=changes or [],
    )


def warnings_on(console: "Console") -> "Callable[[StageReport], None]":
    """Return a function that prints what a stage of the check warns of, a line each."""

    def print_warnings(report: "StageReport") -> None:
        for warning in report.warnings:
            line = f"Warning: {report.stage}: {warning}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)

    return print_warnings
