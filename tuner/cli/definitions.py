"""A study as a person describes it to `run`, `study create` and `check`: a definition file, options, or both."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.cli.completion import complete_objectives, complete_pruners, complete_samplers, complete_studies
from tuner.cli.options import (
    DatasetOption,
    FileArgument,
    SetOption,
    SpaceOption,
    StorageOption,
    VaryOption,
    describe_choices,
    settings_for,
)
from tuner.objectives import COSTS
from tuner.studies.pruners import PRUNERS
from tuner.studies.samplers import SAMPLERS

if TYPE_CHECKING:
    from tuner.studies.definitions.definition import StudyDefinition
    from tuner.studies.definitions.overrides import Changes


def read_wanted(
    file: FileArgument = None,
    *,
    space: SpaceOption = None,
    dataset: DatasetOption = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the study.", metavar="NAME", show_default="DATASET-SPACE")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Number of trials in the search.", metavar="N", show_default="20")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of each trial that is not pruned.", metavar="N", show_default="10")
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            help="Several objectives at once: scores, of which the first leads, and costs of the model "
            f"({', '.join(COSTS)}), as in accuracy,macro_f1,parameters.",
            metavar="NAME,NAME",
            show_default="search.objective alone",
            autocompletion=complete_objectives,
        ),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            help=f"How hyperparameters are drawn. {describe_choices(SAMPLERS)}",
            metavar="SAMPLER",
            show_default="tpe",
            autocompletion=complete_samplers,
        ),
    ] = None,
    pruner: Annotated[
        str | None,
        typer.Option(
            help=f"Which trials are stopped early. {describe_choices(PRUNERS)}",
            metavar="PRUNER",
            show_default="asha",
            autocompletion=complete_pruners,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Determines every random number of the study.", metavar="N", show_default="0"),
    ] = None,
    author: Annotated[
        str | None,
        typer.Option(
            help="Who makes the study: its report says so. For the name that git knows: "
            '--author "$(git config user.name)".',
            metavar="NAME",
            show_default="not said",
        ),
    ] = None,
    warm_start: Annotated[
        str | None,
        typer.Option(
            help="An earlier study whose best trials are tried first.",
            metavar="NAME",
            autocompletion=complete_studies,
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            help="A study whose settings are taken; --name names the new one.",
            metavar="NAME",
            autocompletion=complete_studies,
        ),
    ] = None,
    vary: VaryOption = None,
    overrides: SetOption = None,
    storage: StorageOption = None,
) -> "StudyDefinition":
    """Return the definition of a file or a study with the options in place of its values, or that of the options alone.

    Raises:
        TunerError: A value is wrong.
        typer.BadParameter: There is no file, no study and no space, or both a file and a study.
    """
    from tuner.studies.definitions.making import change_definition, compose_definition, read_definition

    options: dict[str, Any] = {
        "space": space, "dataset": dataset, "name": name, "seed": seed, "author": author,
        "search.trials": trials, "search.epochs": epochs, "search.sampler": sampler, "search.pruner": pruner,
        "search.warm_start": warm_start, "search.objectives": _split(objectives),
    }  # fmt: skip
    changes = {**factors_of(vary), **{key: value for key, value in options.items() if value is not None}}
    if vary and trials is not None:
        raise typer.BadParameter("The budget follows from --vary; expected no --trials.", param_hint="--trials")
    if file is not None and like is not None:
        raise typer.BadParameter("Give a definition file or --like, not both.", param_hint="--like")
    if file is not None:
        return read_definition(file, overrides or (), changes=changes)
    if like is not None:
        return change_definition(_read_stored(like, storage), changes, overrides or (), source="the command line")
    if space is None:
        raise typer.BadParameter("Give a definition file, --space or --like.", param_hint="FILE")
    return compose_definition(changes, overrides or (), source="the command line")


def _split(objectives: str | None) -> list[str] | None:
    """Return the names of `--objectives`; an empty one stays, for the definition to refuse."""
    return None if objectives is None else [name.strip() for name in objectives.split(",")]


def factors_of(vary: list[str] | None) -> "Changes":
    """Return the changes by which a definition compares what `--vary` names."""
    from tuner.studies.definitions.making import vary_factors
    from tuner.studies.definitions.overrides import parse_factors

    return vary_factors(parse_factors(vary or ()))


def _read_stored(name: str, storage: str | None) -> "StudyDefinition":
    from tuner.studies.database.storage import open_storage
    from tuner.studies.lifecycle import find_study

    with open_storage(settings_for(storage).storage) as opened:
        return find_study(opened, name).definition


def takes_definition(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the parameters of `read_wanted` before its own, and call it with the definition they describe.

    The storage is the command's own parameter, which both read.
    """
    described = inspect.signature(read_wanted).parameters
    _, *own = inspect.signature(command).parameters.values()
    parameters = [*(each for each in described.values() if each.name != "storage"), *own]

    @wraps(command)
    def read_and_call(**given: Any) -> None:
        of_study = {name: given.pop(name) for name in described if name != "storage"}
        wanted = read_wanted(**of_study, storage=given["storage"])
        command(wanted, **given)

    # Typer makes the options from these two.
    read_and_call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    read_and_call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return read_and_call
