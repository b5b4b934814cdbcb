"""What a builder's module sets in Keras for the whole process when it is imported: kept for its space alone.

`keras.utils.clear_session`, called between trials, drops the dtype policy; and what one study's module has set would
hold for the next study of the same worker. So the settings that hold after a module's import are put in place before
each model that its builders make, and those of before any import before the models of the package's own families.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial, wraps
from typing import Any

import keras

#: How a setting is read, and how it is set.
_Setting = tuple[Callable[[], Any], Callable[[Any], Any]]


def _switch(on: Callable[[], None], off: Callable[[], None]) -> Callable[[Any], None]:
    return lambda is_on: on() if is_on else off()


@cache
def _settings() -> Mapping[str, _Setting]:
    settings: dict[str, _Setting] = {
        "floatx": (keras.config.floatx, keras.config.set_floatx),
        "epsilon": (keras.config.epsilon, keras.config.set_epsilon),
        "image_data_format": (keras.config.image_data_format, keras.config.set_image_data_format),
        # After floatx, from which it would follow.
        "dtype_policy": (keras.config.dtype_policy, keras.config.set_dtype_policy),
        "flash_attention": (
            keras.config.is_flash_attention_enabled,
            _switch(keras.config.enable_flash_attention, keras.config.disable_flash_attention),
        ),
        "traceback_filtering": (
            keras.config.is_traceback_filtering_enabled,
            _switch(keras.config.enable_traceback_filtering, keras.config.disable_traceback_filtering),
        ),
    }
    return settings | (_of_jax() if keras.backend.backend() == "jax" else _of_tensorflow())


def _of_tensorflow() -> dict[str, _Setting]:
    if keras.backend.backend() != "tensorflow":
        return {}
    import tensorflow as tf

    return {
        "tensorflow.jit": (lambda: bool(tf.config.optimizer.get_jit()), tf.config.optimizer.set_jit),
        "tensorflow.tf32": (
            tf.config.experimental.tensor_float_32_execution_enabled,
            tf.config.experimental.enable_tensor_float_32_execution,
        ),
        "tensorflow.run_eagerly": (
            tf.config.functions_run_eagerly,
            tf.config.run_functions_eagerly,
        ),
    }


def _of_jax() -> dict[str, _Setting]:
    import jax

    # Not the device, which the worker has chosen, nor where programs are kept.
    names = ("jax_default_matmul_precision", "jax_enable_x64", "jax_numpy_dtype_promotion", "jax_debug_nans")
    return {
        name: (partial(getattr, jax.config, name), partial(jax.config.update, name))
        for name in names
        if hasattr(jax.config, name)
    }


@dataclass(frozen=True, kw_only=True)
class KerasSettings:
    """Keras' and its backend's global settings at one moment."""

    values: Mapping[str, Any]

    def apply(self) -> None:
        """Put them in place."""
        for name, value in self.values.items():
            read, write = _settings()[name]
            if read() != value:
                write(value)


def read_keras_settings() -> KerasSettings:
    """Return the settings that hold now."""
    return KerasSettings(values={name: read() for name, (read, _) in _settings().items()})


#: Before the first builder's module was imported.
_initial: KerasSettings | None = None
#: Module → those after its import.
_of_modules: dict[str, KerasSettings] = {}


def initial_settings() -> KerasSettings:
    """Return the settings of before any builder's module was imported; the first call takes those of now."""
    global _initial  # noqa: PLW0603 - as Keras' own settings are
    if _initial is None:
        _initial = read_keras_settings()
    return _initial


@contextmanager
def keep_settings_of(module: str, *, is_imported: bool) -> Iterator[None]:
    """Remember what holds when the block that imports a builder's module ends.

    Args:
        module: Its full name.
        is_imported: It was imported before, by somebody else where nothing is remembered of it: then what holds now is
            taken for its settings.
    """
    initial = initial_settings()
    if not is_imported:
        initial.apply()
    yield
    if not is_imported or module not in _of_modules:
        _of_modules[module] = read_keras_settings()


def with_settings(build: Callable[..., Any], settings: KerasSettings) -> Callable[..., Any]:
    """Return `build` with these settings in place before each call."""

    @wraps(build)
    def build_with_settings(*args: Any, **kwargs: Any) -> Any:
        settings.apply()
        return build(*args, **kwargs)

    return build_with_settings


def settings_of(module: str) -> KerasSettings:
    """Return what held after the import of a builder's module."""
    return _of_modules[module]
