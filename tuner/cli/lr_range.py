"""`tuner lr-range`: which learning rates are worth searching."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.completion import complete_studies
from tuner.cli.definitions import read_wanted
from tuner.cli.options import (
    DatasetOption,
    FileArgument,
    JsonOption,
    SetOption,
    SpaceOption,
    StorageOption,
    settings_for,
)
from tuner.cli.output import open_console, open_progress_console, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuner.studies.definitions.definition import StudyDefinition
    from tuner.training.rate_curve import RateCurve


def lr_range(
    file: FileArgument = None,
    *,
    space: SpaceOption = None,
    dataset: DatasetOption = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="A study whose definition is used in place of FILE.", metavar="NAME", autocompletion=complete_studies
        ),
    ] = None,
    optimizers: Annotated[
        str | None,
        typer.Option(
            help="Names as Keras has them, with commas between.",
            metavar="NAME,NAME",
            show_default="that of the space's default model",
        ),
    ] = None,
    low: Annotated[float, typer.Option("--from", help="The first learning rate.", metavar="RATE")] = 1e-6,
    high: Annotated[float, typer.Option("--to", help="The last learning rate.", metavar="RATE")] = 100.0,
    steps: Annotated[
        int, typer.Option(min=20, max=10_000, help="Learning rates to try, one batch each.", metavar="N")
    ] = 200,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Images of a batch.", metavar="N", show_default="that of the space, or of the definition"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Determines weights and the order of the images.", metavar="N")
    ] = None,
    overrides: SetOption = None,
    out: Annotated[Path, typer.Option(help="HTML file to write.", metavar="FILE")] = Path("lr-range.html"),
    write: Annotated[
        Path | None,
        typer.Option(help="Definition to which the suggested range is added; takes one optimizer.", metavar="FILE"),
    ] = None,
    as_json: JsonOption = False,
    storage: StorageOption = None,
) -> None:
    """Measure the loss at rising learning rates, and suggest the range to search.

    One short training for each optimizer: the rate rises from batch to batch until the loss explodes (Smith, 2015).
    """
    names = _split_names(optimizers)
    _refuse_impossible(low, high, names, write)
    definition = _find_definition(
        file, study=study, space=space, dataset=dataset, seed=seed, overrides=overrides, storage=storage
    )
    from tuner.studies.definitions.written_range import refuse_unwritable_range, write_learning_rate

    if write is not None:
        refuse_unwritable_range(write)
    with _progress(steps) as on_step:
        from tuner.training.backend import load_backend

        load_backend()
        from tuner.datasets.reading import DecodedPictures
        from tuner.jobs.rate_range_test import run_range_tests
        from tuner.training.rate_range import exponential_rates

        settings = settings_for(storage)
        curves = run_range_tests(
            definition,
            exponential_rates(low, high, steps),
            optimizers=names,
            batch_size=batch_size,
            needs_rate=write is not None,
            data_dir=settings.data_dir,
            decoded=DecodedPictures(folder=settings.picture_cache),
            on_step=on_step,
        )
    from tuner.report.rate_range_page import write_rate_range

    path = write_rate_range(curves, space=definition.space, dataset=definition.dataset, path=out)
    if write is not None:
        low, high = curves[0].require_range()
        write_learning_rate(write, low=low, high=high)
    if as_json:
        print_json({"space": definition.space, "dataset": definition.dataset, "page": str(path)} | _to_json(curves))
        return
    _print_table(curves)
    typer.echo(path)
    if write is not None:
        typer.echo(f"[space.learning_rate] low = {low:g}, high = {high:g} added to {write}.", err=True)


def _split_names(optimizers: str | None) -> list[str]:
    if optimizers is None:
        return []
    names = [name.strip().lower() for name in optimizers.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise typer.BadParameter(
            f"Received {optimizers!r}. Expected different names, as in sgd,adam.", param_hint="--optimizers"
        )
    return names


def _refuse_impossible(low: float, high: float, names: Sequence[str], write: Path | None) -> None:
    # Also false for nan.
    if not 0 < low < high < float("inf"):
        raise typer.BadParameter(
            f"Received {low:g} and {high:g}. Expected two rates above 0, the first below the second.",
            param_hint="--from, --to",
        )
    if write is not None and len(names) > 1:
        raise typer.BadParameter(
            f"Received {len(names)} optimizers. Expected one with --write: each has a range of its own.",
            param_hint="--optimizers",
        )


def _find_definition(
    file: Path | None,
    *,
    study: str | None,
    space: str | None,
    dataset: str | None,
    seed: int | None,
    overrides: list[str] | None,
    storage: str | None,
) -> "StudyDefinition":
    if study is None and file is None and space is None:
        raise typer.BadParameter("Give a definition file, --space or --study.", param_hint="FILE")
    if study is None:
        return read_wanted(file, space=space, dataset=dataset, seed=seed, overrides=overrides)
    given = {"FILE": file, "--space": space, "--dataset": dataset, "--seed": seed, "--set": overrides}
    superfluous = [name for name, value in given.items() if value is not None]
    if superfluous:
        raise typer.BadParameter(
            f"Received {', '.join(superfluous)} beside a study. Expected the study alone.", param_hint="--study"
        )
    from tuner.studies.database.storage import open_storage
    from tuner.studies.lifecycle import find_study

    with open_storage(settings_for(storage).storage) as opened:
        return find_study(opened, study).definition


@contextmanager
def _progress(steps: int) -> "Iterator[Callable[[str, int], None]]":
    """Show on stderr which optimizer has taken how many steps: a bar on a terminal, one line each elsewhere."""
    from rich.progress import Progress

    console = open_progress_console()
    # Without a terminal a bar would leave an empty line before an error.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Reading the images", total=steps)
        begun: set[str] = set()

        def show(name: str, taken: int) -> None:
            progress.update(task, description=f"{name}, rising rates", completed=taken)
            if name not in begun and not console.is_terminal:
                typer.echo(f"{name}: {steps} batches at rising learning rates", err=True)
            begun.add(name)

        yield show


def _to_json(curves: "Sequence[RateCurve]") -> dict[str, object]:
    return {"optimizers": [dataclasses.asdict(curve) for curve in curves]}


def _print_table(curves: "Sequence[RateCurve]") -> None:
    from rich.table import Table

    table = Table("optimizer", "batch", "falls fastest at", "lowest at", "diverges at", "range to search")
    for curve in curves:
        low, high = curve.suggested or (None, None)
        table.add_row(
            curve.optimizer,
            str(curve.batch_size),
            _rate(curve.steepest),
            _rate(curve.lowest if curve.suggested else None),
            _rate(curve.diverged),
            f"{_rate(low)} to {_rate(high)}" if curve.suggested else "none: the loss does not fall",
        )
    open_console().print(table)


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2g}"
