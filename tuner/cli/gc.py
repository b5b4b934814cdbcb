"""`tuner gc`: remove files that no study refers to."""

from typing import Annotated

import typer

from tuner.cli.options import StorageOption, settings_for


def gc(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
    storage: StorageOption = None,
) -> None:
    """Remove checkpoints and finals that no study refers to, such as those of workers that were killed.

    Decoded images that this machine keeps for deleted studies are removed too, and decoded pictures of folders that
    nobody has read for a week.
    """
    from tuner.artifacts import ArtifactStore
    from tuner.datasets.image_cache import ImageCache
    from tuner.datasets.picture_cache import PictureCache
    from tuner.studies.garbage import find_foreign_folders, find_garbage, find_unused_images
    from tuner.studies.storage import open_storage

    settings = settings_for(storage)
    artifacts = ArtifactStore(settings.artifacts)
    cache = ImageCache(settings.image_cache)
    with open_storage(settings.storage) as opened:
        garbage = list(find_garbage(opened, artifacts))
        foreign = find_foreign_folders(opened, artifacts)
        unused = list(find_unused_images(opened, cache))
    for path in garbage:
        if not dry_run:
            artifacts.delete(path)
        typer.echo(f"{'Would remove' if dry_run else 'Removed'} {artifacts.location(path)}")
    for key in unused:
        if not dry_run:
            cache.delete(key)
        typer.echo(f"{'Would remove' if dry_run else 'Removed'} {settings.image_cache / key}")
    pictures = PictureCache(settings.picture_cache)
    unread = pictures.list_unused()
    for key in unread:
        if not dry_run:
            pictures.delete(key)
        typer.echo(f"{'Would remove' if dry_run else 'Removed'} {settings.picture_cache / key}")
    for folder in foreign:
        typer.echo(f"Left {artifacts.location(folder)}: it belongs to a study that this database never had.", err=True)
    typer.echo(f"{len(garbage) + len(unused) + len(unread)} files that no study refers to.", err=True)
