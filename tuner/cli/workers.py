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
from tuner.cli.ray import (
    CpusPerWorkerOption,
    DetachOption,
    GpusPerWorkerOption,
    RayOption,
    StopOption,
    refuse_without_ray,
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
    ray: RayOption = None,
    cpus_per_worker: CpusPerWorkerOption = 1.0,
    gpus_per_worker: GpusPerWorkerOption = 0.0,
    detach: DetachOption = False,
    stop: StopOption = False,
    storage: StorageOption = None,
) -> None:
    """Start worker processes on this machine, one per GPU or CPU core, for the named studies (default: all).

    Ctrl-C lets the workers finish their epochs; a second Ctrl-C ends them at once. With --ray the nodes of a Ray
    cluster run them, and Ray starts them again when one is lost.
    """
    from tuner.cli.progress import follow
    from tuner.workers.pool import run_pool

    refuse_without_ray(ray, detach=detach, stop=stop)
    settings = settings_for(storage)
    names = studies or []
    if ray is not None and stop:
        from tuner.workers.ray_pool import stop_ray_workers

        typer.echo(f"Ended {stop_ray_workers(settings, ray)} workers on the Ray cluster.", err=True)
        return
    watched = names_to_watch(settings, names) if until_done else []
    if ray is None:
        status = run_pool(
            settings,
            names,
            n_workers=parse_count(count),
            per_gpu=parse_count(per_gpu, option="--per-gpu"),
            device=device,
            until_done=until_done,
            max_slots=max_slots,
            follow=follow,
        )
    else:
        from tuner.workers.ray_pool import RayPlaces, run_ray_pool

        places = RayPlaces(
            address=ray,
            n_workers=parse_count(count),
            cpus_per_worker=cpus_per_worker,
            gpus_per_worker=gpus_per_worker,
            detach=detach,
        )
        status = run_ray_pool(settings, names, places, until_done=until_done, max_slots=max_slots, follow=follow)
    if status:
        raise typer.Exit(status)
    if until_done and not detach:
        print_endings(settings, watched)
