"""Weights files of `keras.applications`: HDF5 with a group for each layer, under the names that the net gives them.

These are the files that keras.applications downloads, such as `vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5`;
Keras 3's own `.weights.h5` keep no names of layers. HDF5 holds arrays and text, and nothing of it is run.
"""

import io
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tuner.errors import TunerError, shorten

#: What h5py and NumPy raise for bytes that are no HDF5, or a damaged one; sizes in it may be any number.
_DAMAGED = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)


class WeightsFileError(TunerError):
    """The file is no weights file that names its layers."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"{place} is no weights file of keras.applications: {reason}. Expected HDF5 with the names of its layers, "
            "as keras.applications publishes it, or a *.bundle."
        )


def read_weights_h5(content: bytes, *, origin: str) -> tuple[list[str], list[NDArray[Any]]]:
    """Return the path of each array, `LAYER/NUMBER`, and the arrays, in the file's order.

    Raises:
        WeightsFileError: It is not HDF5, is damaged, or does not name its layers.
    """
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            group = file.get("model_weights", file)
            if "layer_names" not in group.attrs:
                raise WeightsFileError(origin, "it does not name its layers")
            paths: list[str] = []
            arrays: list[NDArray[Any]] = []
            for layer in map(_to_text, group.attrs["layer_names"]):
                names = map(_to_text, group[layer].attrs["weight_names"])
                for number, name in enumerate(names):
                    paths.append(f"{layer.replace('/', '.')}/{number}")
                    arrays.append(np.asarray(group[layer][name]))
    except _DAMAGED as error:
        reason = shorten(" ".join(str(error).split()) or type(error).__name__, width=200)
        raise WeightsFileError(origin, reason) from error
    return paths, arrays


def _to_text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
