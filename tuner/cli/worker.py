"""`tuner worker`: one worker process."""

import os
import sys
from typing import Annotated

import typer

from tuner.cli.ending import tell_endings, watch
from tuner.cli.options import DeviceOption, StorageOption, StudiesArgument, UntilDoneOption, settings_for
from tuner.errors import RestartNeededError


def worker(
    studies: StudiesArgument = None,
    *,
    device: DeviceOption = "auto",
    until_done: UntilDoneOption = False,
    max_slots: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="End with status 75 after this number of trials or jobs, sooner if memory has grown; never without.",
        ),
    ] = None,
    worker_id: Annotated[str | None, typer.Option("--id", hidden=True)] = None,
    watched: Annotated[list[str] | None, typer.Option("--watch", hidden=True)] = None,
    storage: StorageOption = None,
) -> None:
    """Train for these studies, or for all, in this process.

    Ctrl-C finishes the epoch and gives the trial back; a second one ends at once.
    """
    from tuner.logs import configure_logging

    configure_logging()
    settings = settings_for(storage)
    from tuner.studies.lifecycle import find_studies
    from tuner.studies.storage import open_storage
    from tuner.training.backend import load_backend
    from tuner.workers.lifetime import MAX_SLOTS
    from tuner.workers.processes import PATIENCE_S
    from tuner.workers.shares import divide_machine, take_share

    if worker_id is None:
        # A pool has settled this for its workers.
        if studies:
            # Before the frameworks, whose import takes seconds: a typing error is told at once.
            with open_storage(settings.storage, patience_s=PATIENCE_S) as opened:
                find_studies(opened, studies)
        share = divide_machine(1, device=device)[0]
        take_share(share)
        device = share.device
    # A pool tells how the studies of its workers have ended.
    tells = until_done and worker_id is None
    told = watched or watch(settings, studies or [], patience_s=PATIENCE_S) if tells else []
    load_backend(program_cache=settings.program_cache)
    from tuner.workers.process import run_worker

    status = run_worker(
        settings,
        studies or [],
        device=device,
        until_done=until_done,
        worker_id=worker_id,
        max_slots=max_slots or MAX_SLOTS,
    )
    if status is None and max_slots is None:
        # The frameworks free little of what they take for a trial; a process that begins anew frees all of it.
        # It tells of all studies that this one began with, also of those that have ended by now.
        told_too = [] if watched else [word for name in told for word in ("--watch", name)]
        command = [sys.executable, "-m", "tuner", *sys.argv[1:], *told_too]
        os.execv(sys.executable, command)  # noqa: S606 - this very command
    if status == 0 and tells:
        tell_endings(settings, told, patience_s=PATIENCE_S)
    raise typer.Exit(RestartNeededError.exit_status if status is None else status)
