"""`tuner workers`: a pool of worker processes on this machine."""

from typing import Annotated

import typer

from tuner.cli.endings import names_to_watch, print_endings
from tuner.cli.options import (
    CountOption,
    DeviceOption,
    PerGpuOption,
    StorageOption,
    StudiesArgument,
    UntilDoneOption,
    parse_count,
    settings_for,
)
from tuner.cli.watching_options import (
    LogFormat,
    LogFormatOption,
    MetricsHostOption,
    MetricsPortOption,
    describe_metrics,
    pass_log_format,
)
from tuner.workers.lifetime import MAX_SLOTS


def workers(
    studies: StudiesArgument = None,
    *,
    count: CountOption = "auto",
    per_gpu: PerGpuOption = "1",
    device: DeviceOption = "auto",
    until_done: UntilDoneOption = False,
    max_slots: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Replace a worker process after this number of trials or jobs, or earlier if its memory has grown. "
            f"Default: {MAX_SLOTS}.",
        ),
    ] = None,
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = "127.0.0.1",
    log_format: LogFormatOption = LogFormat.text,
    storage: StorageOption = None,
) -> None:
    """Start worker processes on this machine, one per GPU or CPU core, for the named studies (default: all).

    Ctrl-C lets the workers finish their epochs; a second Ctrl-C ends them at once.
    """
    from tuner.cli.progress import follow
    from tuner.workers.pool import run_pool

    worker_options = pass_log_format(log_format)
    settings = settings_for(storage)
    watched = names_to_watch(settings, studies or []) if until_done else []
    status = run_pool(
        settings,
        studies or [],
        n_workers=parse_count(count),
        per_gpu=parse_count(per_gpu, option="--per-gpu"),
        device=device,
        until_done=until_done,
        max_slots=max_slots,
        follow=follow,
        metrics=describe_metrics(metrics_host, metrics_port),
        worker_options=worker_options,
    )
    if status:
        raise typer.Exit(status)
    if until_done:
        print_endings(settings, watched)
