"""Divide this machine among workers: the device, the threads and the environment of each.

A share is chosen before its process imports a framework, because a framework reads its environment once, at import.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from tuner.backends import BACKENDS
from tuner.errors import TunerError
from tuner.training.gpus import Gpu, list_gpus

#: Memory per worker if the machine determines the number of workers: the frameworks alone take 0.9 GB.
_BYTES_PER_WORKER = 2 * 2**30


class NoSuchShareError(TunerError):
    """This machine has no such device."""


@dataclass(frozen=True, kw_only=True)
class DeviceShare:
    """The part of this machine that one worker process uses."""

    #: `cpu` or `gpu:N`, for people.
    device: str
    #: Variables that are set in the worker's environment before it starts.
    environment: Mapping[str, str]
    #: CPU cores to which the process is bound; empty means all.
    cores: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class MachinePlaces:
    """How this machine is divided among workers, see `divide_machine`."""

    n_workers: int | None = None
    #: None: 1, or, where the machine determines the number of workers, chosen by measurement.
    per_gpu: int | None = 1
    device: str = "auto"

    @property
    def is_measured(self) -> bool:
        """Whether workers are added to GPUs while throughput rises."""
        return self.per_gpu is None and self.n_workers is None

    def divide(self) -> list[DeviceShare]:
        """Return one share for each worker to begin with.

        Raises:
            NoSuchShareError: The device does not exist.
        """
        return divide_machine(self.n_workers, per_gpu=self.per_gpu or 1, device=self.device)


def divide_machine(n_workers: int | None, *, per_gpu: int = 1, device: str = "auto") -> list[DeviceShare]:
    """Return one share for each worker.

    Args:
        n_workers: Number of shares. None: `per_gpu` for each GPU or, without a GPU, one for each core, if the memory
            is sufficient. Two workers with one thread train 1.4 to 2.2 times as many images as one worker with two
            threads, see `docs/benchmarks.md`.
        per_gpu: Number of workers per GPU.
        device: `cpu`, `gpu:N` or `auto`, which takes the GPUs if there are any.

    Raises:
        NoSuchShareError: The device does not exist.
    """
    gpus = [] if device == "cpu" else list_gpus()
    if device.startswith("gpu:"):
        index = device.removeprefix("gpu:")
        if not index.isdigit() or int(index) >= len(gpus):
            known = ", ".join(["cpu", "auto", *(f"gpu:{number}" for number in range(len(gpus)))])
            raise NoSuchShareError(f"Received device {device!r}; expected {known}. `tuner doctor` lists the devices.")
        chosen = [int(index)]
    elif device in {"auto", "cpu"}:
        chosen = list(range(len(gpus)))
    else:
        raise NoSuchShareError(f"Received device {device!r}; expected cpu, auto or gpu:0, gpu:1, ….")
    if chosen:
        n = n_workers or len(chosen) * per_gpu
        return [_gpu_share(chosen[position % len(chosen)], gpus, per_gpu) for position in range(n)]
    return _cpu_shares(n_workers)


def granted_share(*, n_cores: float, gpu_fraction: float) -> DeviceShare:
    """Return the share of a process that a scheduler has placed: it set which GPU is visible, and counts the cores.

    Args:
        n_cores: CPU cores that the scheduler counts for the process.
        gpu_fraction: The part of a GPU, or the number of GPUs, that it granted; 0 for none.
    """
    n_threads = max(1, int(n_cores))
    if not gpu_fraction:
        return DeviceShare(device="cpu", environment=_cpu_environment(n_threads))
    return DeviceShare(device="gpu:0", environment=_gpu_memory(min(gpu_fraction, 1.0)))


def take_share(share: DeviceShare) -> None:
    """Apply the share to this process; call it before Keras is imported."""
    os.environ.update(share.environment)


def _gpu_share(index: int, gpus: Sequence[Gpu], per_gpu: int) -> DeviceShare:
    return DeviceShare(
        device=f"gpu:{index}",
        environment={
            "CUDA_VISIBLE_DEVICES": gpus[index].uuid,
            **_gpu_memory(1 / per_gpu),
        },
    )


def _gpu_memory(fraction: float) -> dict[str, str]:
    """Return the variables by which each backend takes no more than this part of a GPU's memory."""
    return {name: value for backend in BACKENDS for name, value in backend.gpu_environment(0.9 * fraction).items()}


def _cpu_environment(n_threads: int) -> dict[str, str]:
    """Return the variables by which each backend trains on a CPU with this number of threads."""
    return {
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": str(n_threads),
        **{name: value for backend in BACKENDS for name, value in backend.cpu_environment(n_threads).items()},
    }


def _cpu_shares(n_workers: int | None) -> list[DeviceShare]:
    cores = sorted(os.sched_getaffinity(0))
    n_fitting = psutil.virtual_memory().available // _BYTES_PER_WORKER
    n = n_workers or max(1, min(len(cores), n_fitting))
    n_threads = max(1, len(cores) // n)
    environment = _cpu_environment(n_threads)
    shares = []
    for position in range(n):
        first = position * n_threads
        own = cores[first : first + n_threads] if first + n_threads <= len(cores) else cores
        shares.append(DeviceShare(device="cpu", environment=environment, cores=own))
    return shares
