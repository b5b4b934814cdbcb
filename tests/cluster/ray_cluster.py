"""A real Ray cluster on this machine's loopback addresses: of three nodes, or one that grows with demand."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_RAY = Path(sys.executable).with_name("ray")
_STORE_BYTES = 100_000_000


class RayCluster:
    """Its nodes, and the processes that Ray runs on them."""

    def __init__(self, environment: dict[str, str], *, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        # In a short path, because Ray makes sockets below it.
        self._folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        self._environment = {**os.environ, **environment, "RAY_USAGE_STATS_ENABLED": "0"}
        self._head = [
            "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._folder}",
        ]  # fmt: skip

    def start(self) -> None:
        """Start the head and two more nodes, each with one core."""
        self._start(*self._head, node=1)
        for node in (2, 3):
            self._start(f"--address={self.address}", node=node)

    def start_growing(self, *, most_nodes: int, idle_s: float) -> None:
        """Start a head without cores, whose autoscaler starts nodes of a core and a GPU each, and ends idle ones.

        The nodes are processes here, by a provider that Ray has for its own tests, and their GPUs are numbers.
        """
        kinds = {
            "ray.head.default": ({"CPU": 0}, 0),
            "small": ({"CPU": 1, "GPU": 1, "object_store_memory": _STORE_BYTES}, most_nodes),
        }
        config = {
            "cluster_name": "growing",
            "max_workers": most_nodes,
            "provider": {
                "type": "fake_multinode", "gcs_address": self.address, "use_node_id_as_ip": True,
                "disable_node_updaters": True, "disable_launch_config_check": True,
            },
            "available_node_types": {
                name: {"resources": resources, "node_config": {}, "min_workers": 0, "max_workers": most}
                for name, (resources, most) in kinds.items()
            },
            "head_node_type": "ray.head.default",
            "upscaling_speed": 1.0,
            "idle_timeout_minutes": idle_s / 60,
            **{name: {} for name in ("auth", "docker", "file_mounts")},
            **{
                name: []
                for name in (
                    "cluster_synced_files", "initialization_commands", "setup_commands", "head_setup_commands",
                    "worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands",
                )
            },
        }  # fmt: skip
        path = Path(self._folder, "autoscaler.json")
        path.write_text(json.dumps(config))
        self._environment |= {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
        self._start(*self._head, f"--autoscaling-config={path}", node=1, n_cpus=0)

    def _start(self, *options: str, node: int, n_cpus: int = 1) -> None:
        common = [
            f"--num-cpus={n_cpus}", f"--node-ip-address=127.0.0.{node}", f"--object-store-memory={_STORE_BYTES}",
        ]  # fmt: skip
        started = subprocess.run(
            [_RAY, "start", *options, *common],
            env=self._environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
        )
        assert started.returncode == 0, started.stdout

    def actors(self) -> list[psutil.Process]:
        """Return the processes of tuner's actors that work."""
        return [process for process in self._processes() if "ray::RayWorker" in " ".join(process.cmdline())]

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes of those actors."""
        return [process for process in self._processes() if "--placed-as" in process.cmdline()]

    def n_nodes(self) -> int:
        """Return how many nodes run, the head included."""
        return sum(process.name() == "raylet" for process in self._processes())

    def kill_node(self, node: int) -> None:
        """Kill a node's raylet, as a machine that is lost."""
        for process in self._processes():
            if re.search(rf"raylet/raylet .*127\.0\.0\.{node}\b", " ".join(process.cmdline())):
                process.kill()

    def restart_head(self) -> None:
        """Kill the head and all other nodes, and start them again: a cluster that knows nothing of the first."""
        for process in self._processes():
            if re.search(r"gcs_server|raylet/raylet", process.cmdline()[0]):
                process.kill()
        self.start()

    def stop(self) -> None:
        """Kill everything that Ray started here."""
        for process in self._processes():
            process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _processes(self) -> list[psutil.Process]:
        """Return what belongs to this cluster: Ray's processes, and what its actors have started."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = " ".join(process.cmdline())
                may_be_started_by_it = "ray::" in words or "-m tuner" in words
                if self._folder in words or (
                    may_be_started_by_it and (self._folder in process.cwd() or self._folder in str(process.environ()))
                ):
                    found.append(process)
        return found


@contextmanager
def running_cluster(environment: dict[str, str], *, port: int = 6398) -> Iterator[RayCluster]:
    """Yield a cluster to be started, whose processes have these variables; it is gone after the block."""
    cluster = RayCluster(environment, port=port)
    try:
        yield cluster
    finally:
        cluster.stop()
