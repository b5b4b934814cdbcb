"""Commands whose workers run on this machine, or on a Ray cluster: their options, and what starts the workers."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import parse_count

if TYPE_CHECKING:
    from tuner.forking.client import ForkServer
    from tuner.settings import Settings
    from tuner.workers.cluster.nodes import RayPlaces
    from tuner.workers.shares import MachinePlaces
    from tuner.workers.work import Metrics, Work

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


def read_places(
    ray: str | None,
    *,
    count: str,
    per_gpu: str,
    device: str,
    cpus_per_worker: float,
    gpus_per_worker: float,
    detach: bool = False,
    stop: bool = False,
) -> "MachinePlaces | RayPlaces":
    """Return where workers run: on this machine, or on the Ray cluster at the address `ray`.

    Raises:
        typer.BadParameter: A number of workers is none. Or an option is given that means something on a Ray cluster
            alone, without one, or one that chooses this machine's devices, with one.
    """
    of_cluster = {
        "cpus-per-worker": cpus_per_worker != 1.0,
        "gpus-per-worker": gpus_per_worker != 0.0,
        "detach": detach,
        "stop": stop,
    }
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
    n_workers = parse_count(count)
    if ray is None:
        from tuner.workers.shares import MachinePlaces

        return MachinePlaces(n_workers=n_workers, per_gpu=parse_count(per_gpu, option="--per-gpu"), device=device)
    from tuner.workers.cluster.nodes import RayPlaces

    return RayPlaces(
        address=ray,
        n_workers=n_workers,
        cpus_per_worker=cpus_per_worker,
        gpus_per_worker=gpus_per_worker,
        detach=detach,
    )


def open_server(
    settings: "Settings", places: "MachinePlaces | RayPlaces"
) -> "AbstractContextManager[ForkServer | None]":
    """Start what forks the workers of this machine, before anything slow is imported here: it imports Keras meanwhile.

    Workers on a Ray cluster are not forked.

    Raises:
        TunerError: The machine has no such device, or no backend.
    """
    from tuner.workers.shares import MachinePlaces

    if not isinstance(places, MachinePlaces):
        return nullcontext()
    from tuner.workers.forked import open_fork_server

    return open_fork_server(settings, places.divide()[0])


def run_workers(
    settings: "Settings",
    work: "Work",
    places: "MachinePlaces | RayPlaces",
    *,
    metrics: "Metrics | None" = None,
    server: "ForkServer | None" = None,
) -> int:
    """Run workers here, forked from the server, or on a Ray cluster; return their exit status.

    Raises:
        typer.BadParameter: Metrics are asked of a cluster.
    """
    from tuner.cli.progress import follow
    from tuner.workers.shares import MachinePlaces

    if isinstance(places, MachinePlaces):
        from tuner.workers.pool import run_pool
        from tuner.workers.work import Watch

        return run_pool(settings, work, places, watch=Watch(follow=follow, metrics=metrics), server=server)
    if metrics is not None:
        raise typer.BadParameter(
            "Counts the workers of one machine. Of workers on a Ray cluster the dashboard serves metrics: `tuner "
            "dashboard --metrics-token-file FILE`.",
            param_hint="--metrics-port",
        )
    from tuner.workers.cluster.pool import run_ray_pool

    return run_ray_pool(settings, work, places, follow=follow)
