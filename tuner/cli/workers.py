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
    settings_for,
)
from tuner.cli.ray import (
    CpusPerWorkerOption,
    DetachOption,
    GpusPerWorkerOption,
    RayOption,
    StopOption,
    open_server,
    read_places,
    run_workers,
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
            help="Replace a worker process after this number of trials or jobs, or earlier if its memory has grown.",
            metavar="N",
            show_default=str(MAX_SLOTS),
        ),
    ] = None,
    ray: RayOption = None,
    cpus_per_worker: CpusPerWorkerOption = 1.0,
    gpus_per_worker: GpusPerWorkerOption = 0.0,
    detach: DetachOption = False,
    stop: StopOption = False,
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = "127.0.0.1",
    log_format: LogFormatOption = LogFormat.text,
    storage: StorageOption = None,
) -> None:
    """Start worker processes on this machine, one per GPU or CPU core, for the named studies (default: all).

    Ctrl-C lets the workers finish their epochs; a second Ctrl-C ends them at once. With --ray the nodes of a Ray
    cluster run them, and Ray starts them again when one is lost.
    """
    places = read_places(
        ray,
        count=count,
        per_gpu=per_gpu,
        device=device,
        cpus_per_worker=cpus_per_worker,
        gpus_per_worker=gpus_per_worker,
        detach=detach,
        stop=stop,
    )
    options = pass_log_format(log_format)
    settings = settings_for(storage)
    names = studies or []
    if ray is not None and stop:
        from tuner.workers.cluster.pool import stop_ray_workers

        typer.echo(f"Ended {stop_ray_workers(settings, ray)} workers on the Ray cluster.", err=True)
        return
    with open_server(settings, places) as server:
        from tuner.workers.work import Work

        watched = names_to_watch(settings, names) if until_done else []
        work = Work(studies=names, until_done=until_done, max_slots=max_slots, options=options)
        metrics = describe_metrics(metrics_host, metrics_port)
        status = run_workers(settings, work, places, metrics=metrics, server=server)
    if status:
        raise typer.Exit(status)
    if until_done and not detach:
        print_endings(settings, watched)
