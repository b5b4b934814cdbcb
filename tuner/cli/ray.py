"""Commands whose workers run on this machine, or on a Ray cluster: their options, and what starts the workers."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import parse_count

if TYPE_CHECKING:
    from tuner.settings import Settings
    from tuner.training.forking import ForkServer
    from tuner.workers.pool import Metrics

RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        help="Run the workers on this Ray cluster: auto, HOST:PORT of its head node, or ray://HOST:PORT.",
        metavar="ADDRESS",
    ),
]
CpusPerWorkerOption = Annotated[
    float, typer.Option(min=0.1, help="With --ray: CPU cores that each worker is given.", metavar="N")
]
GpusPerWorkerOption = Annotated[
    float,
    typer.Option(min=0.0, help="With --ray: GPUs that each worker is given; 0.25 lets four share one.", metavar="N"),
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="With --ray: exit when the workers are placed; they continue.")
]
StopOption = Annotated[
    bool, typer.Option("--stop", help="With --ray: end all workers on the cluster; each finishes its epoch.")
]


def refuse_mixed_places(
    ray: str | None, *, device: str, per_gpu: str, cpus_per_worker: float, gpus_per_worker: float, **flags: bool
) -> None:
    """Refuse what means something on a Ray cluster alone without one, and with one what chooses this machine's devices.

    Raises:
        typer.BadParameter: Such an option is given.
    """
    of_cluster = {"cpus-per-worker": cpus_per_worker != 1.0, "gpus-per-worker": gpus_per_worker != 0.0, **flags}
    of_machine = {"device": device != "auto", "per-gpu": per_gpu != "1"}
    given = [f"--{name}" for name, is_given in (of_cluster if ray is None else of_machine).items() if is_given]
    if given:
        advice = (
            "Expected --ray ADDRESS beside it."
            if ray is None
            else "Chooses devices of this machine. On a Ray cluster --gpus-per-worker and --cpus-per-worker say what a "
            "worker is given."
        )
        raise typer.BadParameter(advice, param_hint=given[0])


def open_server(
    settings: "Settings", *, count: str, per_gpu: str, device: str, ray: str | None
) -> "AbstractContextManager[ForkServer | None]":
    """Start what forks the workers of this machine, before anything slow is imported here: it imports Keras meanwhile.

    Workers on a Ray cluster are not forked.

    Raises:
        TunerError: The machine has no such device, or no backend.
    """
    n_workers = parse_count(count)
    n_per_gpu = parse_count(per_gpu, option="--per-gpu") or 1
    if ray is not None:
        return nullcontext()
    from tuner.workers.forked import open_fork_server
    from tuner.workers.shares import divide_machine

    return open_fork_server(settings, divide_machine(n_workers, per_gpu=n_per_gpu, device=device)[0])


def run_workers(
    settings: "Settings",
    studies: Sequence[str],
    *,
    count: str,
    per_gpu: str,
    device: str,
    ray: str | None,
    cpus_per_worker: float,
    gpus_per_worker: float,
    detach: bool = False,
    until_done: bool = False,
    max_slots: int | None = None,
    metrics: "Metrics | None" = None,
    options: Sequence[str] = (),
    server: "ForkServer | None" = None,
) -> int:
    """Run workers here, or on the Ray cluster at the address `ray`; return their exit status.

    Workers here are forked from the server.

    Raises:
        typer.BadParameter: A number of workers is none, or metrics are asked of a cluster.
    """
    from tuner.cli.progress import follow

    n_workers = parse_count(count)
    if ray is None:
        from tuner.workers.pool import run_pool

        return run_pool(
            settings,
            studies,
            n_workers=n_workers,
            per_gpu=parse_count(per_gpu, option="--per-gpu"),
            device=device,
            until_done=until_done,
            max_slots=max_slots,
            follow=follow,
            metrics=metrics,
            options=options,
            server=server,
        )
    if metrics is not None:
        raise typer.BadParameter(
            "Counts the workers of one machine. Of workers on a Ray cluster the dashboard serves metrics: `tuner "
            "dashboard --metrics-token-file FILE`.",
            param_hint="--metrics-port",
        )
    from tuner.workers.cluster.nodes import RayPlaces
    from tuner.workers.cluster.pool import run_ray_pool

    places = RayPlaces(
        address=ray,
        n_workers=n_workers,
        cpus_per_worker=cpus_per_worker,
        gpus_per_worker=gpus_per_worker,
        detach=detach,
    )
    return run_ray_pool(
        settings, studies, places, until_done=until_done, max_slots=max_slots, options=options, follow=follow
    )
