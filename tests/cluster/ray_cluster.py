"""A real Ray cluster of three nodes on this machine's loopback addresses."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_RAY = Path(sys.executable).with_name("ray")
_PORT = 6398


class RayCluster:
    """Its nodes, and the processes that Ray runs on them."""

    address = f"127.0.0.1:{_PORT}"

    def __init__(self, environment: dict[str, str]) -> None:
        # In a short path, because Ray makes sockets below it.
        self._folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        self._environment = {**os.environ, **environment, "RAY_USAGE_STATS_ENABLED": "0"}

    def start(self) -> None:
        """Start the head and two more nodes, each with one core."""
        self._start("--head", f"--port={_PORT}", "--include-dashboard=false", f"--temp-dir={self._folder}", node=1)
        for node in (2, 3):
            self._start(f"--address={self.address}", node=node)

    def _start(self, *options: str, node: int) -> None:
        common = ["--num-cpus=1", f"--node-ip-address=127.0.0.{node}", "--object-store-memory=100000000"]
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
        """Return what belongs to this cluster: all that has its address or its folder in its command or environment."""
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
                if self._folder in words or ("ray::" in words and self._folder in str(process.environ())):
                    found.append(process)
            except psutil.Error:
                continue
        return found


@contextmanager
def running_cluster(environment: dict[str, str]) -> Iterator[RayCluster]:
    """Start a cluster whose processes have these variables; it is gone after the block."""
    cluster = RayCluster(environment)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
