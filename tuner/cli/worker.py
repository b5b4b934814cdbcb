"""`tuner worker`: one worker process."""

from typing import Annotated

import typer

from tuner.cli.endings import names_to_watch, print_endings
from tuner.cli.options import DeviceOption, StorageOption, StudiesArgument, UntilDoneOption, settings_for
from tuner.cli.watching_options import LogFormat, LogFormatOption, apply_log_format
from tuner.errors import RestartNeededError
from tuner.workers.lifetime import MAX_SLOTS


def worker(
    studies: StudiesArgument = None,
    *,
    device: DeviceOption = "auto",
    until_done: UntilDoneOption = False,
    max_slots: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Exit with status 75 after this number of trials or jobs, or earlier if memory has grown.",
            metavar="N",
            show_default=f"a fresh process goes on after {MAX_SLOTS}",
        ),
    ] = None,
    worker_id: Annotated[str | None, typer.Option("--id", hidden=True)] = None,
    placed_as: Annotated[str | None, typer.Option("--placed-as", hidden=True)] = None,
    watched: Annotated[list[str] | None, typer.Option("--watch", hidden=True)] = None,
    log_format: LogFormatOption = LogFormat.text,
    counters: Annotated[str | None, typer.Option(hidden=True)] = None,
    storage: StorageOption = None,
) -> None:
    """Run one worker in this process for the named studies (default: all).

    Ctrl-C finishes the epoch and releases the trial; a second Ctrl-C ends the process at once.
    """
    apply_log_format(log_format, worker=(worker_id or "") if log_format is LogFormat.json else "")
    if counters is not None:
        from tuner.counters import share_counters

        share_counters(counters)
    settings = settings_for(storage)
    from tuner.workers.process import prepare_process, restart_process, run_worker
    from tuner.workers.processes import PATIENCE_S
    from tuner.workers.work import Work

    names = studies or []
    # A pool has checked the names and divided the machine, and prints how the studies have ended.
    is_alone = worker_id is None
    if is_alone:
        device = prepare_process(settings, names, device=device)
    prints = is_alone and until_done
    to_print = watched or names_to_watch(settings, names, patience_s=PATIENCE_S) if prints else []
    status = run_worker(
        settings,
        Work(studies=names, until_done=until_done, max_slots=max_slots or MAX_SLOTS),
        device=device,
        worker_id=worker_id,
        placed_as=placed_as,
    )
    if status is None and max_slots is None:
        # The fresh process prints the studies that this one began with, also those that have ended meanwhile.
        restart_process([] if watched else [word for name in to_print for word in ("--watch", name)])
    if status == 0 and prints:
        print_endings(settings, to_print, patience_s=PATIENCE_S)
    raise typer.Exit(RestartNeededError.exit_status if status is None else status)
