"""The options of commands whose workers may run on a Ray cluster."""

from typing import Annotated

import typer

RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        help="Run the workers on this Ray cluster: auto, HOST:PORT of its head node, or ray://HOST:PORT.",
        metavar="ADDRESS",
    ),
]
CpusPerWorkerOption = Annotated[
    float, typer.Option(min=0.1, help="With --ray: CPU cores that each worker is given.", show_default=True)
]
GpusPerWorkerOption = Annotated[
    float,
    typer.Option(
        min=0.0, help="With --ray: GPUs that each worker is given; 0.25 lets four share one.", show_default=True
    ),
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="With --ray: exit when the workers are placed; they continue.")
]
StopOption = Annotated[
    bool, typer.Option("--stop", help="With --ray: end all workers on the cluster; each finishes its epoch.")
]


def refuse_without_ray(ray: str | None, **flags: bool) -> None:
    """Refuse flags that mean something on a Ray cluster alone.

    Raises:
        typer.BadParameter: One of them is given without --ray.
    """
    given = [f"--{name}" for name, is_given in flags.items() if is_given]
    if ray is None and given:
        raise typer.BadParameter("Expected --ray ADDRESS beside it.", param_hint=given[0])
