"""`tuner finals`: retrain and test the best configurations of a study."""

from typing import Annotated

import typer

from tuner.cli.endings import print_endings
from tuner.cli.options import CountOption, StorageOption, StudyArgument, parse_count, settings_for


def finals(
    name: StudyArgument,
    *,
    top: Annotated[int | None, typer.Option(min=1, help="Number of configurations. Default: the study's.")] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Number of seeds for each configuration. Default: the study's.")
    ] = None,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="Train them on this machine now, and exit when they are made.")
    ] = False,
    count: CountOption = "auto",
    storage: StorageOption = None,
) -> None:
    """Request finals of a search that is over: the first, more of them, or those that failed; the rest is kept.

    A running study makes its finals by itself. With --until-done this machine trains them now; otherwise running
    workers do. Exit status 1 when some could not be made.
    """
    from tuner.jobs.planning import lacks_finals, refuse_impossible_finals
    from tuner.studies.lifecycle import change_finals, find_study
    from tuner.studies.storage import open_storage

    settings = settings_for(storage)
    with open_storage(settings.storage) as opened:
        study = find_study(opened, name)
        refuse_impossible_finals(opened, study, top=top)
        study = change_finals(opened, study, top=top, repeats=repeats)
        is_lacking = lacks_finals(opened, study)
    wanted = study.definition.finals
    typer.echo(f"Study {name}: finals of the best {wanted.top}, {wanted.repeats} repeats each.", err=True)
    if not is_lacking:
        typer.echo("All of them are there. Ask for more with --top or --repeats.", err=True)
    elif not until_done:
        typer.echo(f"Train them with `tuner workers {name} --until-done`.", err=True)
    if until_done:
        from tuner.cli.progress import follow
        from tuner.workers.pool import run_pool

        status = run_pool(settings, [name], n_workers=parse_count(count), until_done=True, follow=follow)
        if status:
            raise typer.Exit(status)
        print_endings(settings, [name])
