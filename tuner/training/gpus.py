"""The NVIDIA GPUs that this process may use, asked of the driver itself; a MIG device is one of them.

Nothing here touches CUDA: a process that has initialised it can no longer choose its devices.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pynvml


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU, or the slice of one that MIG makes a device of its own."""

    #: `GPU-…` or `MIG-…`, as CUDA_VISIBLE_DEVICES takes it.
    uuid: str
    name: str


@dataclass(frozen=True, kw_only=True)
class GpuMemory:
    """The memory of a GPU that its processes hold, of all users together."""

    used_bytes: int
    total_bytes: int


def list_gpus(environment: Mapping[str, str] = os.environ) -> list[Gpu]:
    """Return the devices that CUDA would show this process, in the driver's order; none without a driver.

    A GPU that is divided by MIG counts as its devices. CUDA_VISIBLE_DEVICES, as Slurm sets it, chooses among them.
    """
    with _driver() as is_there:
        gpus = list(_find_gpus()) if is_there else []
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    return gpus if visible is None else _choose(gpus, visible)


def read_memory(uuid: str) -> GpuMemory | None:
    """Return how full the GPU's memory is; None when the driver does not tell or the GPU is gone."""
    with _driver() as is_there:
        if not is_there:
            return None
        try:
            memory = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByUUID(uuid))
        except pynvml.NVMLError:
            return None
    return GpuMemory(used_bytes=int(memory.used), total_bytes=int(memory.total))


@contextmanager
def _driver() -> Iterator[bool]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        # No library, no kernel module, or none that fits the other: no GPU to train on either way.
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()


def _find_gpus() -> Iterator[Gpu]:
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            for device in _mig_devices(handle) if _is_divided(handle) else [handle]:
                yield Gpu(uuid=_text(pynvml.nvmlDeviceGetUUID(device)), name=_text(pynvml.nvmlDeviceGetName(device)))
        except pynvml.NVMLError:
            # Fallen off the bus; the others go on.
            continue


def _is_divided(handle: Any) -> bool:
    try:
        current, _pending = pynvml.nvmlDeviceGetMigMode(handle)
    except pynvml.NVMLError_NotSupported:
        return False
    return bool(current == pynvml.NVML_DEVICE_MIG_ENABLE)


def _mig_devices(handle: Any) -> Iterator[Any]:
    for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            yield pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
        except pynvml.NVMLError_NotFound:
            # A place for a device that was not made.
            continue


def _choose(gpus: list[Gpu], visible: str) -> list[Gpu]:
    """Read CUDA_VISIBLE_DEVICES as CUDA does: numbers or beginnings of UUIDs, up to the first that names nothing."""
    chosen = []
    for entry in filter(None, (part.strip() for part in visible.split(","))):
        if entry.isdigit():
            found = gpus[int(entry) : int(entry) + 1]
        else:
            found = [gpu for gpu in gpus if gpu.uuid.startswith(entry)][:1]
        if not found:
            break
        chosen += found
    return chosen


def _text(value: str | bytes) -> str:
    # The binding returned bytes until its version 11.5.
    return value.decode() if isinstance(value, bytes) else value
