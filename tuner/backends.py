"""The Keras backends that this package supports, and the facts about each that are needed before its import.

Another backend needs one entry in `BACKENDS` and one module with its name in `training/programs`.
"""

import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class BackendFacts:
    """Facts about a backend that do not depend on its import."""

    #: Its name in Keras, which is also the name of its package and of its module in `training/programs`.
    name: str
    #: It trains on an NVIDIA GPU if one of these packages is installed; empty: its own package decides.
    gpu_plugins: tuple[str, ...] = ()
    #: The requirement for `pip install` to train on NVIDIA GPUs.
    gpu_requirement: str
    #: Variables that are set before its import, unless they are set already.
    environment: Mapping[str, str]
    #: Variables that let processes share a GPU; the argument is the largest share of its memory for this process, in
    #: (0, 1]. It reads these, and the next ones, when it first computes, not at its import.
    gpu_environment: Callable[[float], Mapping[str, str]]
    #: Variables that limit it to a number of CPU threads.
    cpu_environment: Callable[[int], Mapping[str, str]]
    #: Variables that let it store compiled programs in a folder for later processes.
    cache_environment: Callable[[Path], Mapping[str, str]]
    #: Names of the exceptions that always mean that a device has too little memory.
    memory_errors: frozenset[str] = frozenset()
    #: Names of the exceptions whose text contains the status of the device.
    device_errors: frozenset[str]
    #: Why another backend is a better choice on a CPU; empty if none is.
    cpu_drawback: str = ""

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.name) is not None

    @property
    def has_gpu_plugin(self) -> bool:
        return any(map(importlib.util.find_spec, self.gpu_plugins))


#: Limit on the size of JAX's compiled programs on disk; those used longest ago are removed first.
_MAX_PROGRAM_CACHE_BYTES = 2 * 2**30


def _nothing(_: object) -> Mapping[str, str]:
    return {}


#: The first is the best on a CPU, where it trains convolutions about three times as fast as JAX, see
#: `docs/experiments.md`.
BACKENDS = (
    BackendFacts(
        name="tensorflow",
        gpu_requirement="tensorflow[and-cuda]",
        environment={"TF_CPP_MIN_LOG_LEVEL": "2"},
        gpu_environment=lambda _share: {"TF_FORCE_GPU_ALLOW_GROWTH": "true"},
        cpu_environment=lambda n: {"TF_NUM_INTRAOP_THREADS": str(n), "TF_NUM_INTEROP_THREADS": "1"},
        cache_environment=_nothing,
        memory_errors=frozenset({"ResourceExhaustedError"}),
        device_errors=frozenset({"InternalError", "UnavailableError", "UnknownError"}),
    ),
    BackendFacts(
        name="jax",
        gpu_plugins=("jax_cuda13_plugin", "jax_cuda12_plugin"),
        gpu_requirement="jax[cuda12]",
        environment={},
        gpu_environment=lambda share: {
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{share:.3f}",
        },
        # JAX uses as many threads as there are CPU cores on which the process may run.
        cpu_environment=_nothing,
        cache_environment=lambda folder: {
            "JAX_COMPILATION_CACHE_DIR": str(folder),
            "JAX_COMPILATION_CACHE_MAX_SIZE": str(_MAX_PROGRAM_CACHE_BYTES),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
        },
        device_errors=frozenset({"JaxRuntimeError", "XlaRuntimeError"}),
        cpu_drawback="TensorFlow trains convolutions about 3 times faster on a CPU",
    ),
)

_MEMORY_ERRORS = frozenset[str]().union(*(backend.memory_errors for backend in BACKENDS))
_DEVICE_ERRORS = frozenset[str]().union(*(backend.device_errors for backend in BACKENDS))
#: CUDA statuses after which no call succeeds.
_LOST = re.compile(
    r"CUDA_ERROR_(ILLEGAL_ADDRESS|LAUNCH_FAILED|LAUNCH_TIMEOUT|ECC_UNCORRECTABLE|NO_DEVICE|DEVICE_UNAVAILABLE"
    r"|CONTEXT_IS_DESTROYED|HARDWARE_STACK_ERROR|SYSTEM_DRIVER_MISMATCH|UNKNOWN)|device is lost|GPU is lost"
)


def late_variables() -> frozenset[str]:
    """Return the variables that backends and drivers read when they first compute: until then they may be changed."""
    names = (name for backend in BACKENDS for name in (*backend.gpu_environment(1.0), *backend.cpu_environment(1)))
    return frozenset({"CUDA_VISIBLE_DEVICES", *names})


def is_of_device(error: BaseException) -> bool:
    """Return whether a backend raises errors of this class for a device that has failed or has too little memory."""
    return _is_named(error, _MEMORY_ERRORS | _DEVICE_ERRORS)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a device had too little memory."""
    # XLA raises the same class for other causes; the status is in the text.
    return _is_named(error, _MEMORY_ERRORS) or (_is_named(error, _DEVICE_ERRORS) and "RESOURCE_EXHAUSTED" in str(error))


def lost_status(error: BaseException) -> str | None:
    """Return the status with which a device failed permanently; None if none did."""
    found = _LOST.search(str(error)) if _is_named(error, _DEVICE_ERRORS) else None
    return found[0] if found else None


def _is_named(error: BaseException, names: frozenset[str]) -> bool:
    # By name, so that no backend has to be imported.
    return any(cls.__name__ in names for cls in type(error).__mro__)
