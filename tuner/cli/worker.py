"""`tuner worker`: one worker process."""

import typer

from tuner.cli.options import DeviceOption, StorageOption, StudiesArgument, UntilDoneOption, settings_for


def worker(
    studies: StudiesArgument = None,
    *,
    device: DeviceOption = "auto",
    until_done: UntilDoneOption = False,
    storage: StorageOption = None,
) -> None:
    """Train for these studies, or for all, in this process.

    Ctrl-C finishes the epoch and gives the trial back; a second one ends at once.
    """
    from tuner.logs import configure_logging

    configure_logging()
    settings = settings_for(storage)
    from tuner.training.backend import load_backend

    load_backend()
    from tuner.workers.process import run_worker

    raise typer.Exit(run_worker(settings, studies or [], device=device, until_done=until_done))
