"""`tuner study set`: change how a study shares the workers."""

from typing import Annotated, Any

import typer

from tuner.cli.options import StorageOption, StudyArgument, settings_for


def set_sharing(
    name: StudyArgument,
    *,
    priority: Annotated[
        int | None, typer.Option(help="Studies of higher priority get workers first; a new study has 0.", metavar="N")
    ] = None,
    max_workers: Annotated[
        str | None,
        typer.Option(help="Most workers that train for it at the same time, or none for no limit.", metavar="N|none"),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option(
            help="Share among studies of equal priority: weight 2 gets twice as many workers as weight 1.", metavar="X"
        ),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Change which share of the workers a study gets; this counts from the next trial that a worker begins."""
    changes: dict[str, Any] = {"priority": priority, "weight": weight}
    changes = {key: value for key, value in changes.items() if value is not None}
    if max_workers is not None:
        changes["max_workers"] = _parse_limit(max_workers)
    if not changes:
        raise typer.BadParameter("Give --priority, --max-workers or --weight.", param_hint="--priority")
    from tuner.studies.database.storage import open_storage
    from tuner.studies.sections.sharing import describe_sharing
    from tuner.studies.sharing_changes import change_sharing

    with open_storage(settings_for(storage).storage) as opened:
        study = change_sharing(opened, name, changes)
    typer.echo(f"Study {name} has {describe_sharing(study.definition.sharing)}.")


def _parse_limit(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise typer.BadParameter(
            f"Received {text!r}. Expected none or a number of at least 1.", param_hint="--max-workers"
        )
    return int(text)
