"""Which backend Keras runs on, chosen before its first import, and that import without its noise."""

import gc
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from tuner.errors import TunerError

#: With one of these JAX trains on NVIDIA GPUs.
_JAX_CUDA_PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin")
#: The programs used longest ago go first.
_MAX_PROGRAM_CACHE_BYTES = 2 * 2**30


class NoBackendError(TunerError):
    """Neither TensorFlow nor JAX is installed."""


def preferred_backend(*, on_gpu: bool) -> str:
    """Return the installed backend to train on.

    On a CPU TensorFlow, which trains convolutions about three times as fast as JAX there, see `docs/experiments.md`. On
    a GPU JAX where it can use one, as it compiles a whole epoch into one program that asks nothing of the CPU; this was
    not measured, for want of a GPU.

    Raises:
        NoBackendError: There is none.
    """
    installed = [name for name in ("tensorflow", "jax") if importlib.util.find_spec(name)]
    if not installed:
        raise NoBackendError("Neither tensorflow nor jax is installed. Install one: `pip install tensorflow`.")
    if on_gpu and "jax" in installed and any(map(importlib.util.find_spec, _JAX_CUDA_PLUGINS)):
        return "jax"
    return installed[0]


def load_backend(environment: MutableMapping[str, str] = os.environ, *, program_cache: Path | None = None) -> None:
    """Import Keras on the backend that `KERAS_BACKEND` names; without it on the preferred one.

    Args:
        environment: What is not set in it is settled in it, for this process and those that it starts. A worker on a
            GPU has `CUDA_VISIBLE_DEVICES` in it.
        program_cache: Folder in which JAX keeps what it compiles, for later processes and trials of equal shapes; None
            keeps nothing. JAX's own variables win.

    Raises:
        NoBackendError: There is none.
    """
    if "keras" in sys.modules:
        return
    if "KERAS_BACKEND" not in environment:
        environment["KERAS_BACKEND"] = preferred_backend(on_gpu=bool(environment.get("CUDA_VISIBLE_DEVICES")))
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if program_cache is not None:
        environment.setdefault("JAX_COMPILATION_CACHE_DIR", str(program_cache))
        environment.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_MAX_PROGRAM_CACHE_BYTES))
        environment.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    with _quiet_native_code(), _no_garbage_collection():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # The first look for GPUs complains where there are none.
            tf.config.list_physical_devices()
            # It warns of functions traced anew, which each trial's new model must be.
            tf.get_logger().setLevel("ERROR")


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Spare the collector what the block imports, half a million objects that stay for good.

    An import of TensorFlow takes 2.4 s instead of 3.2 and the end of the process 0.1 s instead of 1.0; looking at them
    between trials would take 0.3 s each time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


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
