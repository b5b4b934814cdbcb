"""The last lines of commands that work until studies are done, and the exit status that goes with them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from tuner.settings import Settings

if TYPE_CHECKING:
    from tuner.studies.records import StudyRecord


def watch(settings: Settings, names: Sequence[str], *, patience_s: float = 0.0) -> Sequence[str]:
    """Return the names of the studies whose ending is to be told: those given, or all that have not ended yet."""
    from tuner.cli.endings import names_to_watch
    from tuner.studies.storage import open_storage

    with open_storage(settings.storage, patience_s=patience_s) as storage:
        return names_to_watch(storage, names)


def tell_endings(settings: Settings, names: Sequence[str], *, patience_s: float = 0.0) -> None:
    """Print what these studies have found, on stderr, and end with status 1 when one lacks what it was asked for."""
    from tuner.artifacts import ArtifactStore
    from tuner.cli.endings import describe_ending
    from tuner.studies.lifecycle import list_names
    from tuner.studies.reading import load_outline
    from tuner.studies.storage import open_storage

    with open_storage(settings.storage, patience_s=patience_s) as storage:
        known = set(list_names(storage))
        # One may have been deleted meanwhile.
        records = [load_outline(storage, name) for name in names if name in known]
    artifacts = ArtifactStore(settings.artifacts)
    for record in records:
        for line in describe_ending(record, artifacts):
            typer.echo(line, err=True)
    exit_if_incomplete(records)


def exit_if_incomplete(records: Sequence["StudyRecord"]) -> None:
    """Say what each of these studies was asked for and lacks, and end with status 1 when one does."""
    from tuner.studies.shortfall import find_shortfall

    shortfalls = [(record.name, found) for record in records if (found := find_shortfall(record))]
    for name, shortfall in shortfalls:
        typer.echo(f"tuner: Study {name} is not what was asked for: {shortfall}", err=True)
    if shortfalls:
        raise typer.Exit(1)
