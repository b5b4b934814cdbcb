"""`tuner finals`: retrain and test the best configurations of a study."""

from typing import Annotated

import typer

from tuner.cli.endings import print_endings
from tuner.cli.options import (
    CountOption,
    DeviceOption,
    PerGpuOption,
    StorageOption,
    StudyArgument,
    parse_count,
    settings_for,
)


def finals(
    name: StudyArgument,
    *,
    top: Annotated[
        int | None, typer.Option(min=1, help="Number of configurations.", metavar="N", show_default="the study's")
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(min=1, help="Number of seeds for each configuration.", metavar="N", show_default="the study's"),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="A bundle (file or URL) whose weights the models start from, where layers agree.", metavar="BUNDLE"
        ),
    ] = None,
    freeze: Annotated[
        int | None,
        typer.Option(min=1, help="With --weights: epochs in which the layers taken do not change.", metavar="N"),
    ] = None,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="Train them on this machine now, and exit when they are made.")
    ] = False,
    count: CountOption = "auto",
    per_gpu: PerGpuOption = "1",
    device: DeviceOption = "auto",
    storage: StorageOption = None,
) -> None:
    """Request finals of a search that is over: the first, more of them, or those that failed; the rest is kept.

    A running study makes its finals by itself. With --until-done this machine trains them now; otherwise running
    workers do. Exit status 1 when some could not be made.
    """
    if freeze and weights is None:
        raise typer.BadParameter("Received --freeze without --weights, whose layers it freezes.", param_hint="--freeze")
    from tuner.jobs.finals.planning import lacks_finals, refuse_impossible_finals
    from tuner.studies.database.storage import open_storage
    from tuner.studies.finals_request import change_finals
    from tuner.studies.lifecycle import find_study

    settings = settings_for(storage)
    with open_storage(settings.storage) as opened:
        study = find_study(opened, name)
        refuse_impossible_finals(opened, study, top=top)
        chosen = None
        if weights is not None:
            from tuner.training.backend import load_backend

            load_backend()
            from tuner.jobs.study.data import DataPlaces
            from tuner.jobs.study.starting_weights import choose_weights

            data_places = DataPlaces(
                data_dir=settings.data_dir, cache_dir=settings.image_cache, pictures_dir=settings.picture_cache
            )
            chosen = choose_weights(study, weights, freeze_epochs=freeze or 0, places=data_places)
        study = change_finals(opened, study, top=top, repeats=repeats, weights=chosen)
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
        from tuner.workers.shares import MachinePlaces
        from tuner.workers.work import Watch, Work

        places = MachinePlaces(
            n_workers=parse_count(count), per_gpu=parse_count(per_gpu, option="--per-gpu"), device=device
        )
        work = Work(studies=[name], until_done=True)
        status = run_pool(settings, work, places, watch=Watch(follow=follow))
        if status:
            raise typer.Exit(status)
        print_endings(settings, [name])
