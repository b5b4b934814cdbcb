"""Which backend Keras runs on, chosen before its first import, and that import without its noise."""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from tuner.errors import TunerError


class NoBackendError(TunerError):
    """Neither TensorFlow nor JAX is installed."""


def load_backend(environment: MutableMapping[str, str] = os.environ) -> None:
    """Import Keras on the backend that `KERAS_BACKEND` names; without it TensorFlow where installed, else JAX.

    TensorFlow trains convolutions about three times as fast as JAX on a CPU, see `docs/experiments.md`.

    Raises:
        NoBackendError: There is none.
    """
    if "keras" in sys.modules:
        return
    installed = [name for name in ("tensorflow", "jax") if importlib.util.find_spec(name)]
    if not installed:
        raise NoBackendError("Neither tensorflow nor jax is installed. Install one: `pip install tensorflow`.")
    environment.setdefault("KERAS_BACKEND", installed[0])
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _quiet_native_code():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # The first look for GPUs complains where there are none.
            tf.config.list_physical_devices()
            # It warns of functions traced anew, which each trial's new model must be.
            tf.get_logger().setLevel("ERROR")


@contextmanager
def _quiet_native_code() -> Iterator[None]:
    """Hold back what C++ writes to stderr, and show it if the block fails.

    TensorFlow 2.21 logs its first lines before it reads `TF_CPP_MIN_LOG_LEVEL`.
    """
    stderr = 2
    with tempfile.TemporaryFile() as held_back:
        sys.stderr.flush()
        kept = os.dup(stderr)
        os.dup2(held_back.fileno(), stderr)
        try:
            yield
        except BaseException:
            os.dup2(kept, stderr)
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, stderr)
            os.close(kept)
