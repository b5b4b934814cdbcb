"""`tuner finals`: retrain and test the best configurations of a study."""

from typing import Annotated

import typer

from tuner.cli.options import CountOption, StorageOption, StudyArgument, UntilDoneOption, parse_count, settings_for


def finals(
    name: StudyArgument,
    *,
    top: Annotated[
        int | None, typer.Option(min=1, help="How many configurations; the study's own number without.")
    ] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="Seeds for each; the study's own number without.")] = None,
    until_done: UntilDoneOption = False,
    count: CountOption = "auto",
    storage: StorageOption = None,
) -> None:
    """Ask for finals after a search is over, or for more of them; what is there already is kept.

    A study that runs makes its finals by itself. With --until-done this machine trains them now, otherwise the
    workers that are there do.
    """
    from tuner.studies.lifecycle import change_finals, find_study
    from tuner.studies.storage import open_storage

    settings = settings_for(storage)
    with open_storage(settings.storage) as opened:
        study = change_finals(opened, find_study(opened, name), top=top, repeats=repeats)
    wanted = study.definition.finals
    typer.echo(f"Study {name}: finals of the best {wanted.top}, {wanted.repeats} repeats each.", err=True)
    if until_done:
        from tuner.workers.pool import run_pool

        raise typer.Exit(run_pool(settings, [name], n_workers=parse_count(count), until_done=True))
    typer.echo(f"Train them with `tuner workers {name} --until-done`.", err=True)
