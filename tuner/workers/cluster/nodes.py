"""The nodes of a Ray cluster: what they have, whether they see what workers need, and calls on each of them."""

import contextlib
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tuner.settings import Settings
from tuner.workers.cluster.actor import look_at_node, read_growth
from tuner.workers.cluster.connection import LOOK_S, RayError, first_words


@dataclass(frozen=True, kw_only=True)
class RayPlaces:
    """Where and how workers are placed on a cluster."""

    #: `auto`, `HOST:PORT` of a head node, or `ray://HOST:PORT`.
    address: str
    #: At most so many actors; None for as many as the cluster holds now.
    n_workers: int | None = None
    gpus_per_worker: float = 0.0
    cpus_per_worker: float = 1.0
    #: Leave when the actors are placed; they stay.
    detach: bool = False


def count_fitting(ray: Any, wanted: RayPlaces) -> int:
    """Return how many workers the cluster holds as it is now."""
    total = ray.cluster_resources()
    if wanted.gpus_per_worker:
        return max(1, int(total.get("GPU", 0) / wanted.gpus_per_worker))
    return max(1, int(total.get("CPU", 0) / wanted.cpus_per_worker))


def check_resources(ray: Any, wanted: RayPlaces) -> None:
    """Refuse what no node has and the cluster cannot grow by: the actor would wait forever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(_fits(wanted, node) for node in nodes):
        return
    try:
        kinds = ray.get(ray.remote(num_cpus=0)(read_growth).remote(), timeout=LOOK_S)
    except ray.exceptions.RayError as error:
        raise RayError(f"The Ray cluster does not say whether it grows: {first_words(error)}") from error
    if kinds is None:
        sys.stderr.write("No node of the Ray cluster is large enough yet: its autoscaler is asked for one.\n")
        return
    if any(_fits(wanted, kind) for kind in kinds):
        return
    grows = f", and it grows by nodes with {_largest(kinds)}" if kinds else ""
    raise RayError(
        f"No node of the Ray cluster has {wanted.gpus_per_worker:g} GPUs and {wanted.cpus_per_worker:g} CPUs for a "
        f"worker: its {len(nodes)} nodes have {_largest(nodes)}{grows}. Ask for less with --gpus-per-worker and "
        "--cpus-per-worker, or add such a node first."
    )


def _fits(wanted: RayPlaces, node: Mapping[str, float]) -> bool:
    return node.get("GPU", 0) >= wanted.gpus_per_worker and node.get("CPU", 0) >= wanted.cpus_per_worker


def _largest(nodes: Sequence[Mapping[str, float]]) -> str:
    """Return in words the most GPUs and CPUs that one of the nodes has."""
    gpus, cpus = (max((node.get(name, 0) for node in nodes), default=0) for name in ("GPU", "CPU"))
    return f"at most {gpus:g} GPUs and {cpus:g} CPUs each"


def check_nodes(ray: Any, settings: Settings) -> None:
    """Refuse a cluster of which a node has another tuner, or sees neither the database nor the artifacts."""
    with _marker_among(settings.artifacts) as marker:
        for host, reference in on_each_node(ray, look_at_node, settings, marker):
            try:
                seen = ray.get(reference, timeout=LOOK_S)
            except ray.exceptions.RayError as error:
                raise RayError(f"tuner does not start on the node {host}: {first_words(error)}") from error
            if seen.version != version("tuner"):
                raise RayError(
                    f"The node {host} has tuner {seen.version}, this machine {version('tuner')}. Install the same one."
                )
            if seen.database_problem:
                raise RayError(f"The node {host} does not reach the database: {seen.database_problem}")
            if not seen.sees_artifacts:
                raise RayError(
                    f"The node {host} does not see the artifacts in {settings.artifacts}. Set TUNER_ARTIFACTS to a "
                    "folder that all nodes share, or to s3://…."
                )


def on_each_node(ray: Any, function: Callable[..., Any], *arguments: Any) -> list[tuple[str, Any]]:
    """Call a function on every node that lives, at once; return each node's name with the reference to its answer."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=1)(function)
    return [
        (
            node["NodeManagerHostname"],
            task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                *arguments
            ),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


@contextlib.contextmanager
def _marker_among(artifacts: str) -> Iterator[Path | None]:
    """Write a file into a local folder of artifacts, for nodes to find; None where they are behind a URL."""
    if "://" in artifacts:
        yield None
        return
    marker = Path(artifacts).absolute() / f".seen-by-all-{uuid.uuid4().hex}.partial"
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError as error:
        raise RayError(f"Could not write to the artifacts in {artifacts}: {error.strerror or error}.") from error
    try:
        yield marker
    finally:
        marker.unlink(missing_ok=True)
