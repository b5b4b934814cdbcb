"""Which backend Keras runs on, chosen before its first import, and that import without its noise."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.backends import BACKENDS
from tuner.errors import TunerError
from tuner.extras import install_command

if TYPE_CHECKING:
    from tuner.training.programs.interface import Backend

#: The backend that `import_backend` has imported, until `load_backend` has made it silent.
_imported: "list[Backend]" = []


class NoBackendError(TunerError):
    """None of the backends is installed."""

    def __init__(self, *, needed_for: str = "This command") -> None:
        names = [backend.name for backend in BACKENDS]
        super().__init__(
            f"{needed_for} needs a Keras backend, and neither {' nor '.join(names)} is installed here: "
            f"{install_command(names[0])}. Without one, studies are created and shown."
        )


def has_backend() -> bool:
    """Return whether Keras can train here; it is not imported."""
    return any(backend.is_installed for backend in BACKENDS)


def refuse_without_backend() -> None:
    """Raise the error of a machine that cannot train.

    Raises:
        NoBackendError: None of the backends is installed.
    """
    if not has_backend():
        raise NoBackendError


def preferred_backend(*, on_gpu: bool) -> str:
    """Return the installed backend to train on.

    On a CPU the first of `BACKENDS` that is there. On a GPU JAX where it can use one, as it compiles a whole epoch into
    one program that asks nothing of the CPU: 3 to 15 times Keras' `fit` on an H200. TensorFlow was not measured there.

    Raises:
        NoBackendError: There is none.
    """
    refuse_without_backend()
    installed = [backend for backend in BACKENDS if backend.is_installed]
    with_plugin = [backend for backend in installed if on_gpu and backend.has_gpu_plugin]
    return (with_plugin or installed)[0].name


def import_environment(environment: Mapping[str, str], *, program_cache: Path | None = None) -> dict[str, str]:
    """Return the variables that must be set before Keras is imported, besides those of the environment.

    Args:
        environment: A worker on a GPU has `CUDA_VISIBLE_DEVICES` in it.
        program_cache: Folder in which JAX keeps what it compiles, for later processes and trials of equal shapes; None
            keeps nothing. JAX's own variables win.

    Raises:
        NoBackendError: There is none, and `KERAS_BACKEND` names none.
    """
    found: dict[str, str] = {}
    if "KERAS_BACKEND" not in environment:
        found["KERAS_BACKEND"] = preferred_backend(on_gpu=bool(environment.get("CUDA_VISIBLE_DEVICES")))
    for backend in BACKENDS:
        cached = {} if program_cache is None else backend.cache_environment(program_cache)
        found.update({**backend.environment, **cached})
    return {name: value for name, value in found.items() if name not in environment}


def import_backend() -> None:
    """Import Keras and its backend, and begin nothing: no device is looked for and no thread is started.

    So this process may fork others, each of which calls `load_backend`.
    """
    with _quiet_native_code(), _no_garbage_collection(), _no_jax_beside_tensorflow():
        from tuner.training.programs.interface import find_backend

        loaded = find_backend()
        if loaded is not None:
            _imported.append(loaded)


def load_backend(environment: MutableMapping[str, str] = os.environ, *, program_cache: Path | None = None) -> None:
    """Import Keras on the backend that `KERAS_BACKEND` names, without it on the preferred one, and make it silent.

    Args:
        environment: What is not set in it is set in it, for this process and those that it starts.
        program_cache: See `import_environment`.

    Raises:
        NoBackendError: There is none.
    """
    if "keras" not in sys.modules:
        environment.update(import_environment(environment, program_cache=program_cache))
        import_backend()
    while _imported:
        with _quiet_native_code():
            _imported.pop().silence()


@contextmanager
def _no_jax_beside_tensorflow() -> Iterator[None]:
    """Let TensorFlow import no JAX in the block, with which it could convert JAX' functions: that takes half a second.

    Afterwards anybody may import it.
    """
    name = "jax"
    is_hidden = os.environ.get("KERAS_BACKEND") == "tensorflow" and name not in sys.modules
    if is_hidden:
        # So Python marks a module that is not there.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if is_hidden:
            del sys.modules[name]


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep the half a million objects that the block imports, and that stay for good, from the garbage collector.

    An import of TensorFlow takes 2.4 s instead of 3.2, and the end of the process 0.1 s instead of 1.0; each collection
    between trials would take 0.3 s longer.
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
