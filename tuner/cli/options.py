"""Arguments and options that several commands share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tuner.cli.completion import complete_datasets, complete_definitions, complete_spaces, complete_studies
from tuner.settings import Settings, read_settings
from tuner.spaces.registry import SPACE_NAMES

#: What is taken for a definition's file, for help texts.
DEFINITION_FILE = "A study definition in TOML, or the name of one that `tuner study definitions` lists, such as digits"

StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        help="Database with the studies.",
        metavar="URL",
        show_default="TUNER_STORAGE, or SQLite in .tuner/",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON on stdout.")]
StudyArgument = Annotated[
    str, typer.Argument(help="Name of the study.", metavar="NAME", autocompletion=complete_studies)
]
StudiesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        help="Names of studies.", metavar="NAME", show_default="all studies", autocompletion=complete_studies
    ),
]
FileArgument = Annotated[
    Path | None,
    typer.Argument(help=f"{DEFINITION_FILE}.", metavar="FILE", autocompletion=complete_definitions),
]
SpaceOption = Annotated[
    str | None,
    typer.Option(
        help=f"{SPACE_NAMES}. Your own builder's model takes float32 images of shape (height, width, channels) from 0 "
        "to 1 (from 0 to 255 with --set data.images=uint8-range) and returns one number for each class.",
        metavar="SPACE",
        autocompletion=complete_spaces,
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        help="A dataset's name or path.", metavar="NAME|PATH", show_default="mnist", autocompletion=complete_datasets
    ),
]
BundleArgument = Annotated[
    str,
    typer.Argument(
        help="A *.bundle of a study's finals, or of `tuner ensemble`: a file, a URL (s3://…), or its path in the "
        "artifact store.",
        metavar="BUNDLE",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change one setting, as in search.trials=200; may be repeated. `tuner study settings` lists all.",
        metavar="KEY=VALUE",
    ),
]
VaryOption = Annotated[
    list[str] | None,
    typer.Option(
        "--vary",
        help="Compare these values of one hyperparameter with its default, as in kernel_size=3,5,7; may be repeated.",
        metavar="NAME=VALUES",
    ),
]
NoCheckOption = Annotated[
    bool,
    typer.Option("--no-check", help="Skip the check, which tries on a few images what search and finals will need."),
]
UntilDoneOption = Annotated[bool, typer.Option("--until-done", help="Exit when the studies are done or stopped.")]
CountOption = Annotated[str, typer.Option("-n", "--workers", help="Number of workers, or auto.", metavar="N|auto")]
PerGpuOption = Annotated[
    str,
    typer.Option(
        help="Number of workers that share a GPU, or auto, which adds workers while throughput rises.",
        metavar="N|auto",
    ),
]
DeviceOption = Annotated[str, typer.Option(help="Device to train on: cpu, gpu:0 or auto.", metavar="DEVICE")]

#: The --storage of `tuner --storage URL COMMAND`; a --storage after the command replaces it.
_given_before_the_command: list[str] = []


def note_storage(url: str | None) -> None:
    """Remember the --storage that was given before the command."""
    _given_before_the_command[:] = [url] if url else []


def settings_for(storage: str | None) -> Settings:
    """Return the settings with --storage applied, whether it was given before or after the command."""
    return read_settings(storage=storage or next(iter(_given_before_the_command), None))


def describe_choices(table: Mapping[str, Callable[..., Any]]) -> str:
    """Return each name of a table with the first line of its function's docstring, one name a line."""
    lines = {name: (function.__doc__ or "").partition("\n")[0] for name, function in table.items()}
    # Typer breaks a line where a paragraph ends.
    return "\n\n" + "\n\n".join(f"{name}: {line[:1].lower()}{line[1:]}" for name, line in lines.items())


def refuse_both(*, as_json: bool, as_toml: bool) -> None:
    """Refuse --json and --toml together: stdout holds one of them.

    Raises:
        typer.BadParameter: Both are given.
    """
    if as_json and as_toml:
        raise typer.BadParameter("Expected --json or --toml, not both.", param_hint="--toml")


def parse_count(count: str, *, option: str = "--workers") -> int | None:
    """Parse `auto`, which is None, or a number of at least 1.

    Raises:
        typer.BadParameter: It is neither.
    """
    if count == "auto":
        return None
    if not count.isdigit() or int(count) < 1:
        raise typer.BadParameter(f"Received {count!r}. Expected auto or a number of at least 1.", param_hint=option)
    return int(count)
