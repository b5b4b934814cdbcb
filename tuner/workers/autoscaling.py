"""Choose the number of workers per GPU by measurement: add one to each GPU while throughput rises.

One small net leaves most of a GPU idle; several processes use the rest, until the GPU or its memory is full.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.studies.database.storage import Storage
from tuner.studies.fleet import read_epochs, read_workers
from tuner.training.gpus import read_memory
from tuner.workers.processes import WorkerProcesses
from tuner.workers.shares import DeviceShare

#: Seconds over which throughput is measured; trials differ, so short windows are misleading.
WINDOW_S = 120.0
#: Smallest gain in throughput, as a fraction, for which another worker on each GPU is kept.
MIN_GAIN = 0.1
#: Seconds between two queries.
_INTERVAL_S = 5.0
#: Fraction of a GPU's memory to use; the rest is reserved for trials larger than those seen so far.
MAX_MEMORY = 0.85


@dataclass(kw_only=True)
class ScalingDecision:
    """Decides the number of workers per GPU from measurements that arrive every few seconds."""

    #: Upper limit, given by the number of CPU cores.
    max_per_gpu: int
    per_gpu: int = 1
    settled: bool = False
    _begun: tuple[float, int] | None = None
    _best_rate: float = 0.0

    def observe(self, *, now_s: float, epochs: int, all_train: bool, memory: float) -> int:
        """Return how many workers each GPU should have.

        Args:
            now_s: The time in seconds by a monotonic clock.
            epochs: Number of epochs that all workers together have finished so far.
            all_train: Whether every worker is training; otherwise the present window is discarded.
            memory: The used fraction of memory on the fullest GPU, in [0, 1].
        """
        if self.settled:
            return self.per_gpu
        if not all_train or self._begun is None:
            self._begun = (now_s, epochs) if all_train else None
            return self.per_gpu
        duration_s = now_s - self._begun[0]
        if duration_s < WINDOW_S:
            return self.per_gpu
        rate = (epochs - self._begun[1]) / duration_s
        self._begun = None
        if rate < self._best_rate * (1 + MIN_GAIN):
            self.settled = True
            self.per_gpu -= 1
        elif self.per_gpu >= self.max_per_gpu or memory * (self.per_gpu + 1) / self.per_gpu > MAX_MEMORY:
            self.settled = True
        else:
            self._best_rate = rate
            self.per_gpu += 1
        return self.per_gpu


class GpuScaler:
    """Measures the workers on this machine's GPUs, and adds or removes workers as `ScalingDecision` decides."""

    def __init__(self, storage: Storage, shares: Sequence[DeviceShare]) -> None:
        """Take the shares with which the pool starts: one for each GPU."""
        self._storage = storage
        self._shares = shares
        self._decision = ScalingDecision(max_per_gpu=max(1, len(os.sched_getaffinity(0)) // len(shares)))
        self._epochs = 0
        self._seen: dict[int, int] = {}
        self._next_look = 0.0

    def look(self, processes: WorkerProcesses) -> None:
        """Measure, then add a worker to each GPU or retire one from each if needed; call it often."""
        if self._decision.settled or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _INTERVAL_S
        ids = processes.worker_ids
        seen = read_epochs(self._storage, ids, finished_within_s=4 * _INTERVAL_S)
        self._epochs += sum(max(0, epoch - self._seen.get(slot, 0)) for slot, epoch in seen.items())
        self._seen = seen
        training = {worker.id for worker in read_workers(self._storage) if worker.state == "training"}
        before = self._decision.per_gpu
        after = self._decision.observe(
            now_s=time.monotonic(),
            epochs=self._epochs,
            all_train=len(ids) == before * len(self._shares) and training.issuperset(ids),
            memory=max(_used_fraction(share) for share in self._shares),
        )
        if after > before:
            for share in self._shares:
                processes.add(share)
        elif after < before:
            processes.retire(len(self._shares))


def _used_fraction(share: DeviceShare) -> float:
    memory = read_memory(share.environment["CUDA_VISIBLE_DEVICES"])
    # A GPU whose memory cannot be read gets no second worker.
    return 1.0 if memory is None else memory.used_bytes / memory.total_bytes
