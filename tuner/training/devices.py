"""What this machine can train on, and what a device's failure is called.

Devices are named `cpu`, `gpu:0`, `gpu:1` …
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tuner.backends import is_out_of_memory, lost_status
from tuner.errors import RestartNeededError, TunerError
from tuner.training.programs.interface import find_backend


class DeviceMemoryError(TunerError):
    """The model and its batches do not fit into the device's memory."""


class DeviceLostError(RestartNeededError):
    """The device failed under the process, which cannot use it any more; a fresh process may."""


def list_devices() -> tuple[str, ...]:
    """Return the names of all devices that the backend sees: `cpu`, then the GPUs."""
    backend = find_backend()
    return ("cpu", *(f"gpu:{index}" for index in range(0 if backend is None else backend.count_gpus())))


@contextmanager
def translate_device_errors() -> Iterator[None]:
    """Raise this package's errors in place of the backend's.

    Raises:
        DeviceMemoryError: An allocation failed.
        DeviceLostError: The device failed.
    """
    try:
        yield
    except Exception as error:
        if lost := lost_status(error):
            raise DeviceLostError(
                f"The device was lost ({lost}). Expected a fresh process to find it again; "
                f"if it does not, see `nvidia-smi` and `dmesg`."
            ) from error
        if not is_out_of_memory(error):
            raise
        raise DeviceMemoryError(
            "The device has too little memory for this model and batch size. "
            "Expected a smaller one: lower the batch size or the widths in the space."
        ) from error
