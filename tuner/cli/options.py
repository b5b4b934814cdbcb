"""Options that many commands share."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from tuner.settings import Settings, read_settings

StorageOption = Annotated[
    str | None,
    typer.Option("--storage", help="Database URL; TUNER_STORAGE otherwise, and without it SQLite in .tuner/."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]
StudyArgument = Annotated[str, typer.Argument(help="Name of the study.", metavar="NAME")]
StudiesArgument = Annotated[
    list[str] | None, typer.Argument(help="Names of studies; all studies without.", metavar="[NAME ...]")
]
BundleArgument = Annotated[
    str,
    typer.Argument(
        help="A *.bundle of a study's finals: a file, a URL (s3://…), or its path in the artifact store.",
        metavar="BUNDLE",
    ),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Change one setting, as in search.trials=200.", metavar="KEY=VALUE")
]
NoCheckOption = Annotated[
    bool, typer.Option("--no-check", help="Do not try on a few images what search and finals will need.")
]
UntilDoneOption = Annotated[bool, typer.Option("--until-done", help="End when the studies are done or stopped.")]
CountOption = Annotated[str, typer.Option("-n", "--workers", help="How many workers: a number, or auto.")]
PerGpuOption = Annotated[
    str, typer.Option(help="Workers that share a GPU: a number, or auto, which adds some while that pays.")
]
DeviceOption = Annotated[str, typer.Option(help="cpu, gpu:0 or auto.")]

#: What `tuner --storage URL COMMAND` was given; a command's own --storage wins.
_given_before_the_command: list[str] = []


def note_storage(url: str | None) -> None:
    """Remember the --storage that stood before the command."""
    _given_before_the_command[:] = [url] if url else []


def settings_for(storage: str | None) -> Settings:
    """Return the settings with the --storage flag, wherever it stood, applied."""
    return read_settings(storage=storage or next(iter(_given_before_the_command), None))


def describe_choices(table: Mapping[str, Callable[..., Any]]) -> str:
    """Return each name of a table with the first line of its function's docstring, one name a line."""
    lines = {name: (function.__doc__ or "").partition("\n")[0] for name, function in table.items()}
    # Typer breaks a line where a paragraph ends.
    return "\n\n" + "\n\n".join(f"{name}: {line[:1].lower()}{line[1:]}" for name, line in lines.items())


def parse_count(count: str, *, option: str = "--workers") -> int | None:
    """Read `auto` as None, and a number of at least 1.

    Raises:
        typer.BadParameter: It is neither.
    """
    if count == "auto":
        return None
    if not count.isdigit() or int(count) < 1:
        raise typer.BadParameter(f"{count!r} is neither auto nor a number of at least 1.", param_hint=option)
    return int(count)
