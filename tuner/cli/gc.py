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

    Images that this machine keeps for deleted studies are removed too: decoded ones, and arrays that a script or a
    notebook handed over more than a day ago, where no other database has a study of them. So are decoded pictures of
    folders that nobody has read for a week.
    """
    from tuner.artifacts import ArtifactStore
    from tuner.datasets.handed_arrays import drop_use, other_users
    from tuner.datasets.image_cache import ImageCache
    from tuner.datasets.pictures.cache import PictureCache
    from tuner.studies.database.storage import open_storage
    from tuner.studies.database.url import printable_url
    from tuner.studies.garbage import find_foreign_folders, find_garbage, find_unused_arrays, find_unused_images

    settings = settings_for(storage)
    artifacts, database = ArtifactStore(settings.artifacts), printable_url(settings.storage)
    cache = ImageCache(settings.image_cache)
    with open_storage(settings.storage) as opened:
        garbage = list(find_garbage(opened, artifacts))
        foreign = find_foreign_folders(opened, artifacts)
        unused = list(find_unused_images(opened, cache))
        unused_arrays = list(find_unused_arrays(opened, settings.home, database=database))
    for path in garbage:
        if not dry_run:
            artifacts.delete(path)
        typer.echo(f"{'Would remove' if dry_run else 'Removed'} {artifacts.location(path)}")
    for key in unused:
        if not dry_run:
            cache.delete(key)
        typer.echo(f"{'Would remove' if dry_run else 'Removed'} {settings.image_cache / key}")
    arrays = [file for file in unused_arrays if not other_users(file, database=database)]
    for file in unused_arrays if not dry_run else ():
        drop_use(file, database=database)
    for file in arrays:
        typer.echo(f"{'Would remove' if dry_run else 'Removed'} {file}")
    pictures = PictureCache(settings.picture_cache)
    unread = pictures.list_unused()
    for key in unread:
        if not dry_run:
            pictures.delete(key)
        typer.echo(f"{'Would remove' if dry_run else 'Removed'} {settings.picture_cache / key}")
    for folder in foreign:
        typer.echo(f"Left {artifacts.location(folder)}: it belongs to a study that this database never had.", err=True)
    n_removed = len(garbage) + len(unused) + len(arrays) + len(unread)
    typer.echo(f"{n_removed} files that no study refers to.", err=True)
