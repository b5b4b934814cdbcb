"""`tuner space`: the architecture families, the recipes, and their hyperparameters."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.completion import complete_spaces
from tuner.cli.options import JsonOption, refuse_both
from tuner.cli.output import open_console, print_json
from tuner.spaces.registry import SPACE_NAMES, SPACES

if TYPE_CHECKING:
    from tuner.datasets.images import ImageFormat
    from tuner.plain_values import JSONObject
    from tuner.spaces.description import DeclaredRange, SpaceDescription
    from tuner.studies.definitions.definition import StudyDefinition

app = typer.Typer(
    help="Architecture families and recipes: list them, show the hyperparameters of one.", no_args_is_help=True
)


@app.command("list")
def list_spaces(*, as_json: JsonOption = False) -> None:
    """List the families and recipes that `--space` knows."""
    from rich.table import Table

    if as_json:
        print_json([{"name": name, "description": text} for name, text in SPACES.items()])
        return
    table = Table("space", "description")
    for name, description in SPACES.items():
        table.add_row(name, description)
    table.add_row(
        "package.module:Object", "Your own keras_tuner.HyperModel, or function build(hp) or build(hp, images)."
    )
    open_console().print(table)


@app.command("show")
def show_space(
    name: Annotated[
        str,
        typer.Argument(
            help=f"{SPACE_NAMES}. Or a definition, FILE.toml: its space with its ranges, priors and fixed values.",
            metavar="SPACE",
            autocompletion=complete_spaces,
        ),
    ],
    *,
    dataset_shape: Annotated[
        str, typer.Option(help="Shape of the images.", metavar="HEIGHTxWIDTHxCHANNELS")
    ] = "28x28x1",
    classes: Annotated[int, typer.Option(min=2, help="Number of classes.", metavar="N")] = 10,
    as_json: JsonOption = False,
    as_toml: Annotated[
        bool, typer.Option("--toml", help="Print only the tables of a study's definition, to be edited.")
    ] = False,
) -> None:
    """Show every hyperparameter of a space: range, default, and what it is for."""
    refuse_both(as_json=as_json, as_toml=as_toml)
    images = _parse_format(dataset_shape, classes)

    from tuner.training.backend import load_backend

    definition = _read_definition(name)
    load_backend()
    from tuner.spaces.description import describe_space, list_ranges
    from tuner.spaces.registry import open_space

    space = open_space(name if definition is None else definition.space)
    if as_toml:
        _print_toml(space.name, list_ranges(space, images))
        return
    if definition is None:
        description = describe_space(space, images)
    else:
        description = describe_space(space, images, ranges=definition.ranges, fixed=definition.fixed)
    if as_json:
        print_json(_to_json(description))
        return
    _print_description(description)
    if definition is not None and definition.fixed:
        from tuner.report.wording import setting

        fixed = ", ".join(f"{name} = {setting(value)}" for name, value in definition.fixed.items())
        open_console().print(f"Fixed: {fixed}", highlight=False, markup=False, soft_wrap=True)


def _read_definition(name: str) -> "StudyDefinition | None":
    """Return the study's definition that is shown in place of a space; None for a space."""
    from tuner.studies.definitions.making import read_definition

    return read_definition(name) if name.endswith(".toml") else None


def _to_json(description: "SpaceDescription") -> "JSONObject":
    shown = dataclasses.asdict(description)
    for parameter, described in zip(shown["parameters"], description.parameters, strict=True):
        parameter["prior"] = described.prior and described.prior.model_dump(mode="json", exclude_none=True)
    return shown


def _parse_format(dataset_shape: str, classes: int) -> "ImageFormat":
    from tuner.datasets.images import ImageFormat

    try:
        height, width, channels = (int(part) for part in dataset_shape.lower().split("x"))
    except ValueError as error:
        raise typer.BadParameter(
            f"Received {dataset_shape!r}. Expected height x width x channels, such as 28x28x1.",
            param_hint="--dataset-shape",
        ) from error
    if min(height, width, channels) < 1:
        raise typer.BadParameter(
            f"Received {dataset_shape!r}. Expected sides of at least 1.", param_hint="--dataset-shape"
        )
    class_names = tuple(str(number) for number in range(classes))
    return ImageFormat(height=height, width=width, channels=channels, class_names=class_names)


def _print_description(description: "SpaceDescription") -> None:
    from rich.markup import escape
    from rich.table import Table

    from tuner.report.wording import setting
    from tuner.studies.priors import describe_prior

    shape = "x".join(str(side) for side in description.image_shape)
    console = open_console()
    console.print(f"{description.name}: {escape(description.description)}", highlight=False)
    console.print(
        f"With all defaults, for {shape} images of {description.n_classes} classes: {description.n_weights:,} weights.",
        highlight=False,
    )
    has_priors = any(parameter.prior for parameter in description.parameters)
    prior_heading = ["prior"] if has_priors else []
    headings = ("hyperparameter", "range", *prior_heading, "default", "values", "asked when", "what it is for")
    table = Table(*headings, box=None)
    for parameter in description.parameters:
        prior = parameter.prior and describe_prior(parameter.prior, log=parameter.is_logarithmic)
        table.add_row(
            escape(parameter.name),
            escape(parameter.range),
            *([escape(prior or "-")] if has_priors else []),
            escape(setting(parameter.default)),
            "any" if parameter.n_values is None else f"{parameter.n_values:,}",
            escape(parameter.condition or "always"),
            escape(parameter.help),
        )
    if not description.parameters:
        console.print("It asks for no hyperparameter.", highlight=False)
        return
    console.print(table)
    n, n_continuous = description.n_combinations, description.n_continuous
    continuous = f", times {n_continuous} continuous hyperparameter{'s' * (n_continuous > 1)}" if n_continuous else ""
    console.print(f"At most {n:,} combination{'s' * (n > 1)}{continuous}.", highlight=False)


def _print_toml(name: str, ranges: "Sequence[DeclaredRange]") -> None:
    from tuner.studies.definitions.toml import write_toml

    typer.echo(
        "# Part of a study's definition, in place of its line `space = …` and below all other lines of that kind."
    )
    typer.echo("# Keep the tables that you change; a hyperparameter without one is searched as the space declares it.")
    typer.echo(write_toml({"name": name}, ["space"]))
    for one in ranges:
        if one.help:
            typer.echo(f"# {one.help}")
        if one.range is None:
            fixed = write_toml({one.name: one.default}).strip()
            typer.echo(
                f"# Not searched: {fixed}. A table [space.NAME] with low and high, or with values, changes that.\n"
            )
        else:
            settings = one.range.model_dump(mode="json", exclude_none=True)
            typer.echo(write_toml(settings, ["space", one.name]))
