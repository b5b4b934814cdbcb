"""`tuner init`: a definition file to edit."""

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import DatasetOption, SpaceOption
from tuner.errors import TunerError


class TemplateNotWrittenError(TunerError):
    """The definition could not be written, or would replace a file."""


def init(
    name: Annotated[str, typer.Argument(help="Name of the study.", metavar="NAME")],
    *,
    space: SpaceOption = "cnn",
    dataset: DatasetOption = None,
    out: Annotated[Path | None, typer.Option(help="File to write.", metavar="FILE", show_default="NAME.toml")] = None,
) -> None:
    """Write a study definition with every setting, its meaning and its default as a comment; no file is replaced."""
    from tuner.studies.definitions.making import DEFAULT_DATASET, compose_definition
    from tuner.studies.definitions.template import write_template

    definition = compose_definition(
        {"name": name, "space": space, "dataset": dataset or DEFAULT_DATASET}, source="the command line"
    )
    path = out or Path(f"{name}.toml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(write_template(definition))
    except FileExistsError as error:
        raise TemplateNotWrittenError(
            f"{path} exists already. Choose another name, or another file with --out."
        ) from error
    except OSError as error:
        raise TemplateNotWrittenError(f"Could not write {path}: {error.strerror or error}.") from error
    typer.echo(f"Wrote {path}. Edit it, then run it with `tuner run {path}`.")
