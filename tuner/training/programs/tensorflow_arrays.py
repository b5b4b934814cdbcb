"""NumPy's arrays as TensorFlow's, without a copy where that is possible."""

from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

#: Bytes: what TensorFlow's kernels expect of an address, and what `.npy` files are padded to.
_ALIGNMENT = 64


def to_device(arrays: tuple[NDArray[Any], ...]) -> tuple[tf.Tensor, ...]:
    """Return the arrays as tensors on the device where TensorFlow trains; on a CPU of the same memory where it can."""
    on_cpu = is_on_cpu()
    return tuple(_share(array) if on_cpu and _is_sharable(array) else tf.convert_to_tensor(array) for array in arrays)


def is_on_cpu() -> bool:
    """Say whether TensorFlow sees no GPU."""
    return not tf.config.get_visible_devices("GPU")


def _is_sharable(array: NDArray[Any]) -> bool:
    return array.ctypes.data % _ALIGNMENT == 0 and array.flags.c_contiguous and array.flags.writeable


def _share(array: NDArray[Any]) -> tf.Tensor:
    """Take the array's own memory, which for images is a file's that all processes of the machine have mapped.

    `tf.convert_to_tensor` copies it, and holds a second copy for a while.
    """
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
