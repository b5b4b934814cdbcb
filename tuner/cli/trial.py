"""`tuner trial`: show one trial, or train it again."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tuner.cli.options import JsonOption, StorageOption, StudyArgument, settings_for
from tuner.cli.output import (
    format_duration,
    format_percent,
    format_score,
    open_console,
    open_progress_console,
    print_json,
)

if TYPE_CHECKING:
    from rich.console import Console

    from tuner.studies.records.study import StudyRecord
    from tuner.studies.records.trial import TrialRecord


class ListedState(StrEnum):
    """The states of trials, as an option that may be repeated takes them."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    RUNNING = "running"
    WAITING = "waiting"


app = typer.Typer(help="Trials: list them, show the curve of one, train it again.", no_args_is_help=True)
NumberArgument = Annotated[int, typer.Argument(help="Number of the trial.", metavar="N", min=0)]


@app.command("list")
def list_all(
    name: StudyArgument,
    *,
    order: Annotated[
        Literal["number", "score", "duration"],
        typer.Option("--sort", help="What comes first: the first trial, the best, or the longest."),
    ] = "number",
    state: Annotated[
        list[ListedState] | None,
        typer.Option(help="Only trials in this state; may be repeated.", show_default="all"),
    ] = None,
    as_json: JsonOption = False,
    storage: StorageOption = None,
) -> None:
    """List a study's trials with their scores, durations and hyperparameters.

    Hyperparameters that all trials share are told once. `tuner trial show NAME N` shows one trial with its curve.
    """
    from tuner.studies.database.storage import open_storage
    from tuner.studies.records.export import trial_as_json
    from tuner.studies.records.listing import list_trials
    from tuner.studies.records.reading import load_outline

    with open_storage(settings_for(storage).storage) as opened:
        record = load_outline(opened, name)
    trials = list_trials(record, states=[one.value for one in state or ()], order=order)
    if as_json:
        # Curves and folds are in `trial show` and `study export`.
        listed = [trial_as_json(trial) for trial in trials]
        print_json([{key: value for key, value in one.items() if key not in {"curve", "folds"}} for one in listed])
        return
    _print_trials(record, trials)


def _print_trials(record: "StudyRecord", trials: "Sequence[TrialRecord]") -> None:
    from rich.markup import escape
    from rich.table import Table

    from tuner.report.wording import plain, settings, write_others

    console = open_console()
    if not trials:
        console.print(f"No such trials in study {record.name}.", highlight=False, markup=False)
        return
    names = dict.fromkeys(name for trial in trials for name in trial.hyperparameters)
    shared = {
        name: trials[0].hyperparameters[name]
        for name in names
        if len(trials) > 1 and len({repr(trial.hyperparameters.get(name)) for trial in trials}) == 1
    }
    columns = [name for name in names if name not in shared]
    labels = [measure.label for measure in record.measures]
    # Costs take the room of the best epoch on a narrow terminal.
    epoch = [] if record.others else ["best epoch"]
    table = Table("trial", "state", *labels, *epoch, "duration", "hyperparameters", box=None)
    for trial in trials:
        own = {name: trial.hyperparameters[name] for name in columns if name in trial.hyperparameters}
        table.add_row(
            str(trial.number),
            trial.state,
            format_score(trial.score, record.objective),
            *map(plain, write_others(trial, record)),
            *["-" if trial.best_epoch is None else str(trial.best_epoch) for _ in epoch],
            format_duration(trial.duration_s),
            escape(settings(own)) if own else "",
        )
    for column in table.columns[:-1]:
        column.no_wrap = True
    console.print(table)
    if shared:
        console.print(f"All: {escape(settings(shared))}", highlight=False, soft_wrap=True)


@app.command()
def show(
    name: StudyArgument, number: NumberArgument, *, as_json: JsonOption = False, storage: StorageOption = None
) -> None:
    """Show a trial's hyperparameters, curve, notes and failure."""
    from tuner.studies.database.storage import open_storage
    from tuner.studies.records.export import trial_as_json
    from tuner.studies.records.reading import load_trial

    with open_storage(settings_for(storage).storage) as opened:
        record, trial = load_trial(opened, name, number)
    if as_json:
        print_json(trial_as_json(trial))
    else:
        _print_trial(trial, record)


@app.command()
def replay(name: StudyArgument, number: NumberArgument, *, storage: StorageOption = None) -> None:
    """Train a finished trial again with its values and seed, and compare the curves; nothing is stored.

    Exit status 1 when a curve differs: other package versions, another backend, a GPU, or several models trained at
    once (docs/populations.md), which differ by rounding.
    """
    from tuner.studies.database.storage import open_storage
    from tuner.studies.records.reading import load_trial

    settings = settings_for(storage)
    with open_storage(settings.storage) as opened:
        record, trial = load_trial(opened, name, number)
    from tuner.training.backend import load_backend

    load_backend()
    from tuner.jobs.replay import replay_trial
    from tuner.jobs.study.data import DataPlaces

    places = DataPlaces(data_dir=settings.data_dir, cache_dir=settings.image_cache, pictures_dir=settings.picture_cache)
    console = open_progress_console()
    objective, differing = record.objective, 0
    for replayed in replay_trial(record, trial, places=places):
        before, now = replayed.before, replayed.now
        fold = "" if replayed.fold is None else f"fold {replayed.fold}, "
        # As texts: NaN equals no number, itself neither.
        equal = repr((objective.of(before), before.loss)) == repr((objective.of(now), now.loss))
        differing += not equal
        console.print(
            f"{fold}epoch {now.epoch}: {objective.label} {format_score(objective.of(now), objective, digits=4)}, "
            + ("as before" if equal else f"before {format_score(objective.of(before), objective, digits=4)}"),
            highlight=False,
        )
    if differing:
        console.print(f"{differing} epochs differ.")
        raise typer.Exit(1)
    console.print("The curve is the same.")


def _print_trial(trial: "TrialRecord", record: "StudyRecord") -> None:
    from rich.markup import escape
    from rich.table import Table

    from tuner.cli.study_text import draw_hyperparameters
    from tuner.report.wording import plain, score_spread, setting, write_costs

    console, objective = open_console(), record.objective
    over = f" over {len(trial.folds)} fold{'s' * (len(trial.folds) > 1)}" if trial.folds else ""
    score = plain(score_spread(trial.score, trial.score_sd, objective))
    console.print(
        f"Trial {trial.number}: {trial.state}, {objective.label} {score}{over}, "
        f"{format_duration(trial.duration_s)}, attempts: {trial.attempts}",
        highlight=False,
    )
    for other in record.others:
        if other.name in trial.others:
            value = plain(other.format(trial.others[other.name]))
            console.print(f"In the same epoch, {escape(other.label)} {value}", highlight=False, soft_wrap=True)
    if trial.costs:
        console.print(plain(f"Its model: {write_costs(trial.costs)}"), highlight=False, soft_wrap=True)
    if trial.repeat is not None:
        varied = ", ".join(f"{name} {setting(value)}" for name, value in (trial.varied or {}).items()) or "the defaults"
        console.print(f"Compares {escape(varied)}: repeat {trial.repeat + 1}, seed {trial.seed}", highlight=False)
    console.print(draw_hyperparameters({"value": trial.hyperparameters}))
    if trial.folds:
        folds = Table("fold", "score", "best epoch", "epochs", box=None)
        for fold in trial.folds:
            best_epoch = "-" if fold.best_epoch is None else str(fold.best_epoch)
            folds.add_row(
                str(fold.number), format_score(fold.score, objective), best_epoch, str(len(fold.curve) or "-")
            )
        console.print(folds)
        if trial.curve:
            console.print("The mean over the folds by epoch:")
    _print_curve(trial, record, console)
    for note in trial.notes:
        console.print(f"Note: {escape(note)}", highlight=False, soft_wrap=True)
    if trial.failure:
        console.print(f"[red]{trial.failure.kind}[/]: {escape(trial.failure.message)}", highlight=False, soft_wrap=True)
        console.print(escape(trial.failure.traceback), highlight=False)


def _print_curve(trial: "TrialRecord", record: "StudyRecord", console: "Console") -> None:
    from rich.table import Table

    from tuner.objectives import Objective
    from tuner.report.wording import plain

    own = [one for one in record.measures if isinstance(one, Objective) and one.field == "score"]
    seen = ["images"] if any(epoch.images for epoch in trial.curve) else []
    curve = Table(
        "epoch",
        *seen,
        "loss",
        "accuracy",
        "validation loss",
        "validation accuracy",
        *(one.label for one in own),
        box=None,
    )
    for epoch in trial.curve:
        losses = ["-" if value is None else f"{value:.4f}" for value in (epoch.loss, epoch.val_loss)]
        accuracies = [format_percent(value) for value in (epoch.accuracy, epoch.val_accuracy)]
        scores = [plain(one.format(one.of(epoch))) for one in own]
        images = ["all" if epoch.images is None else f"{epoch.images:,}"] if seen else []
        curve.add_row(str(epoch.epoch), *images, losses[0], accuracies[0], losses[1], accuracies[1], *scores)
    console.print(curve)
