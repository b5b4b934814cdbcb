"""`tuner gc`: remove files that no study refers to."""

from typing import Annotated

import typer

from tuner.cli.options import StorageOption, settings_for


def gc(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    storage: StorageOption = None,
) -> None:
    """Remove checkpoints and finals that no study refers to, such as those of workers that were killed."""
    from tuner.artifacts import ArtifactStore
    from tuner.studies.storage import open_storage
    from tuner.workers.garbage import find_garbage

    settings = settings_for(storage)
    artifacts = ArtifactStore(settings.artifacts)
    with open_storage(settings.storage) as opened:
        garbage = list(find_garbage(opened, artifacts))
    for path in garbage:
        if not dry_run:
            artifacts.delete(path)
        typer.echo(f"{'Would remove' if dry_run else 'Removed'} {artifacts.location(path)}")
    typer.echo(f"{len(garbage)} files that no study refers to.", err=True)
