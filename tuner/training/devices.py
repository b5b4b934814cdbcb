"""What this machine can train on, and the choice of it, made before the framework starts.

Devices are named `cpu`, `gpu:0`, `gpu:1` …
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import psutil

from tuner.errors import RestartNeededError, TunerError

#: What is taken for free on a GPU under TensorFlow, which tells what it has taken and not what there is.
ASSUMED_GPU_BYTES = 4 * 2**30

logger = logging.getLogger(__name__)


class UnknownDeviceError(TunerError):
    """This machine has no such device, or the framework does not see it."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"No device named {name!r} here. Known devices: {', '.join(known)}. "
            f"Type `tuner doctor` to see why another is not seen."
        )


class DeviceMemoryError(TunerError):
    """The model and its batches do not fit into the device's memory."""


class DeviceLostError(RestartNeededError):
    """The device failed under the process, which cannot use it any more; a fresh process may."""


#: Statuses of CUDA, with which both frameworks name the cause in an error's message, after which no call succeeds.
_LOST = re.compile(
    r"CUDA_ERROR_(ILLEGAL_ADDRESS|LAUNCH_FAILED|LAUNCH_TIMEOUT|ECC_UNCORRECTABLE|NO_DEVICE|DEVICE_UNAVAILABLE"
    r"|CONTEXT_IS_DESTROYED|HARDWARE_STACK_ERROR|SYSTEM_DRIVER_MISMATCH|UNKNOWN)|device is lost|GPU is lost"
)


def list_devices() -> tuple[str, ...]:
    """Return the names of all devices that the framework sees: `cpu`, then the GPUs."""
    return ("cpu", *(f"gpu:{index}" for index in range(len(_gpus()))))


def select_device(name: str) -> None:
    """Use this device alone; of a GPU take memory as it is needed, so that processes can share it.

    Must come before the first tensor. On JAX a GPU's memory is taken whole unless the process was started with
    `XLA_PYTHON_CLIENT_PREALLOCATE=false`.

    Raises:
        UnknownDeviceError: No device has that name.
    """
    gpus, known = _gpus(), list_devices()
    if name not in known:
        raise UnknownDeviceError(name, known)
    chosen = [] if name == "cpu" else [gpus[int(name.removeprefix("gpu:"))]]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.set_visible_devices(chosen, "GPU")
        for gpu in chosen:
            tf.config.experimental.set_memory_growth(gpu, True)
    elif keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_default_device", chosen[0] if chosen else jax.devices("cpu")[0])


def free_memory_bytes() -> int:
    """Return how much more the device in use can hold: a GPU's own memory, else this machine's."""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.config.jax_default_device or jax.devices()[0]
        statistics = device.memory_stats() or {}
        if "bytes_limit" in statistics:
            return int(statistics["bytes_limit"] - statistics["bytes_in_use"])
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if tf.config.get_visible_devices("GPU"):
            return ASSUMED_GPU_BYTES
    return int(psutil.virtual_memory().available)


def configure_threads(n_threads: int) -> None:
    """Compute with so many CPU threads; must come before the first tensor.

    JAX takes its number from the processors that the process may run on, set where processes are started.
    """
    if keras.backend.backend() != "tensorflow":
        logger.info("%s takes its threads from the process's CPU affinity.", keras.backend.backend())
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(n_threads)


@contextmanager
def translate_device_errors() -> Iterator[None]:
    """Raise errors of our own in place of the framework's.

    Raises:
        DeviceMemoryError: An allocation failed.
        DeviceLostError: The device failed.
    """
    try:
        yield
    except Exception as error:
        if _is_of_framework(error) and (lost := _LOST.search(str(error))):
            raise DeviceLostError(
                f"The device was lost ({lost[0]}). Expected a fresh process to find it again; "
                f"if it does not, see `nvidia-smi` and `dmesg`."
            ) from error
        if not _is_out_of_memory(error):
            raise
        raise DeviceMemoryError(
            "The device has too little memory for this model and batch size. "
            "Expected a smaller one: lower the batch size or the widths in the space."
        ) from error


def _is_out_of_memory(error: Exception) -> bool:
    # TensorFlow has a class for it, JAX only the message of its one error class; both keep XLA's status name.
    names = {cls.__name__ for cls in type(error).__mro__}
    return "ResourceExhaustedError" in names or (_is_of_framework(error) and "RESOURCE_EXHAUSTED" in str(error))


def _is_of_framework(error: Exception) -> bool:
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"JaxRuntimeError", "XlaRuntimeError", "InternalError", "UnavailableError", "UnknownError"})


def _gpus() -> list[object]:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return list(tf.config.list_physical_devices("GPU"))
    if keras.backend.backend() == "jax":
        import jax

        return [device for device in jax.devices() if device.platform == "gpu"]
    return []
