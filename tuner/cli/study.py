"""`tuner study`: create, check, settings, list, show, extend, stop, resume, delete and export studies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.check import check
from tuner.cli.creation import create_shown, open_check
from tuner.cli.definitions import takes_definition
from tuner.cli.options import JsonOption, NoCheckOption, StorageOption, StudyArgument, refuse_both, settings_for
from tuner.cli.output import open_console, open_progress_console, print_json
from tuner.cli.plan import describe_expectation
from tuner.cli.shipped import definitions
from tuner.cli.study_set import set_sharing
from tuner.cli.study_settings import settings

if TYPE_CHECKING:
    from tuner.studies.definitions.definition import StudyDefinition
    from tuner.studies.records.study import StudyRecord

app = typer.Typer(help="Studies: create them, look at them, change their budget.", no_args_is_help=True)


@app.command()
@takes_definition
def create(wanted: "StudyDefinition", *, no_check: NoCheckOption = False, storage: StorageOption = None) -> None:
    """Create a study from a file, from options, or from both; workers then find it by themselves."""
    settings = settings_for(storage)
    with open_check(no_check=no_check) as process:
        from tuner.studies.database.storage import open_storage
        from tuner.workers.shares import divide_machine

        with open_storage(settings.storage) as opened:
            study = create_shown(opened, wanted, settings, process=process)
    typer.echo(f"Created study {study.name} with a budget of {study.budget} trials.")
    for line in describe_expectation(study, n_workers=len(divide_machine(None))):
        typer.echo(line)
    typer.echo(f"Run it with `tuner workers {study.name} --until-done`.")


app.command()(check)
app.command()(definitions)
app.command("set")(set_sharing)
app.command()(settings)


@app.command("list")
def list_studies(*, as_json: JsonOption = False, storage: StorageOption = None) -> None:
    """List all studies with their progress."""
    from dataclasses import asdict

    from rich.table import Table

    from tuner.studies.database.storage import open_storage
    from tuner.studies.progress import read_all_progress
    from tuner.studies.sections.sharing import describe_unequal

    with open_storage(settings_for(storage).storage) as opened:
        progress = read_all_progress(opened)
    if as_json:
        print_json(
            [
                {"space": study.definition.space, "dataset": study.definition.dataset, **asdict(now)}
                for study, now in progress
            ]
        )
        return
    if not progress:
        open_progress_console().print("No studies yet. Create one with `tuner study create --space cnn`.")
        return
    from tuner.report.wording import plain, write_best

    table = Table("study", "space", "dataset", "state", "trials", "best (validation)", box=None)
    shares = [describe_unequal(study.definition.sharing) for study, _ in progress]
    if any(shares):
        table.add_column("workers")
    for (study, now), share in zip(progress, shares, strict=True):
        table.add_row(
            study.name,
            study.definition.space.rpartition("/")[2],
            Path(study.definition.dataset).name,
            now.state,
            f"{now.finished}/{now.budget}",
            plain(write_best(now.best_score, study.definition.objective, front=now.front)),
            *([share] if any(shares) else []),
        )
    open_console().print(table)


@app.command()
def show(
    name: StudyArgument,
    *,
    as_json: JsonOption = False,
    as_toml: Annotated[
        bool, typer.Option("--toml", help="Print only a definition that creates the same study again.")
    ] = False,
    storage: StorageOption = None,
) -> None:
    """Show a study: its trials by state, its failures with their reasons, its finals, and the best of both.

    `tuner trial show NAME N` shows one trial. With --json the study's definition is printed too.
    """
    refuse_both(as_json=as_json, as_toml=as_toml)
    from tuner.artifacts import ArtifactStore

    if as_toml:
        from tuner.studies.database.storage import open_storage
        from tuner.studies.definitions.toml import write_toml
        from tuner.studies.lifecycle import find_study

        with open_storage(settings_for(storage).storage) as opened:
            definition = find_study(opened, name).definition
        typer.echo(write_toml(definition.to_settings()), nl=False)
        return
    artifacts = ArtifactStore(settings_for(storage).artifacts)
    record = _load_outline(name, storage)
    if as_json:
        from tuner.studies.records.export import study_as_json

        print_json(study_as_json(record, artifacts))
    else:
        from tuner.cli.study_text import print_record

        print_record(record, artifacts)


@app.command()
def extend(
    name: StudyArgument,
    *,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Number of trials to add to the budget.", metavar="N")
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(min=1, help="Of the sampler one-factor: number of further seeds for every value.", metavar="N"),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Add trials to a study's budget."""
    if (trials is None) == (repeats is None):
        raise typer.BadParameter("Give --trials or --repeats.", param_hint="--trials")
    from tuner.studies.database.storage import open_storage
    from tuner.studies.lifecycle import extend_by_repeats, extend_study

    with open_storage(settings_for(storage).storage) as opened:
        if repeats is not None:
            study = extend_by_repeats(opened, name, n_repeats=repeats)
        else:
            study = extend_study(opened, name, n_trials=trials or 0)
    typer.echo(
        f"Study {name} now has a budget of {study.budget} trials. Go on with `tuner workers {name} --until-done`."
    )


@app.command()
def stop(name: StudyArgument, *, storage: StorageOption = None) -> None:
    """Pause a study. Running trials stop after the current epoch and can be resumed."""
    from tuner.studies.database.storage import open_storage
    from tuner.studies.lifecycle import find_study, stop_study

    with open_storage(settings_for(storage).storage) as opened:
        stop_study(opened, find_study(opened, name))
        study = find_study(opened, name)
    typer.echo(
        f"Study {name} is {study.state}." + (f" Go on with `tuner study resume {name}`." * (study.state == "stopped"))
    )


@app.command()
def resume(name: StudyArgument, *, storage: StorageOption = None) -> None:
    """Resume a stopped study."""
    from tuner.studies.database.storage import open_storage
    from tuner.studies.lifecycle import resume_study

    with open_storage(settings_for(storage).storage) as opened:
        study = resume_study(opened, name)
    typer.echo(f"Study {name} is {study.state} again. Run it with `tuner workers {name} --until-done`.")


@app.command()
def delete(
    name: StudyArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    storage: StorageOption = None,
) -> None:
    """Delete a study with its trials, checkpoints and bundles."""
    from tuner.artifacts import ArtifactStore
    from tuner.studies.database.storage import open_storage
    from tuner.studies.deletion import remove_study
    from tuner.studies.lifecycle import find_study

    settings = settings_for(storage)
    with open_storage(settings.storage) as opened:
        study = find_study(opened, name)
        if not yes:
            typer.confirm(f"Delete study {name} with all its trials and files?", abort=True, err=True)
        remove_study(opened, ArtifactStore(settings.artifacts), study)
    typer.echo(f"Deleted study {name}.")


@app.command()
def export(
    name: StudyArgument,
    *,
    to: Annotated[Path, typer.Option("--to", help="File to write; its name ends in .csv or .json.", metavar="FILE")],
    storage: StorageOption = None,
) -> None:
    """Write every trial with its curve to a file."""
    from tuner.studies.database.storage import open_storage
    from tuner.studies.records.export import export_trials, holds_curves
    from tuner.studies.records.reading import load_study

    if holds_curves(to):
        with open_storage(settings_for(storage).storage) as opened:
            record = load_study(opened, name)
    else:
        record = _load_outline(name, storage)
    export_trials(record, to)
    typer.echo(f"Wrote {len(record.trials)} trials to {to}.")


def _load_outline(name: str, storage: str | None) -> "StudyRecord":
    from tuner.studies.database.storage import open_storage
    from tuner.studies.records.reading import load_outline

    with open_storage(settings_for(storage).storage) as opened:
        return load_outline(opened, name)
