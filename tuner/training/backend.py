"""Which backend Keras runs on, chosen before its first import, and that import without its noise."""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from tuner.errors import TunerError

#: The programs used longest ago go first.
_MAX_PROGRAM_CACHE_BYTES = 2 * 2**30


class NoBackendError(TunerError):
    """Neither TensorFlow nor JAX is installed."""


def load_backend(environment: MutableMapping[str, str] = os.environ, *, program_cache: Path | None = None) -> None:
    """Import Keras on the backend that `KERAS_BACKEND` names; without it TensorFlow where installed, else JAX.

    TensorFlow trains convolutions about three times as fast as JAX on a CPU, see `docs/experiments.md`.

    Args:
        environment: What is not set in it is settled in it, for this process and those that it starts.
        program_cache: Folder in which JAX keeps what it compiles, for later processes and trials of equal shapes; None
            keeps nothing. JAX's own variables win.

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
    if program_cache is not None:
        environment.setdefault("JAX_COMPILATION_CACHE_DIR", str(program_cache))
        environment.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_MAX_PROGRAM_CACHE_BYTES))
        environment.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
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
