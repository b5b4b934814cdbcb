"""The settings that Keras and its backend keep for the whole process: read, compared and put in place.

`keras.utils.clear_session`, called between trials, drops the dtype policy, and what one study's module sets would hold
for the next study of the same worker. So `imported_settings` puts those in place that belong to a builder.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
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
        # After floatx, which changes it.
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

    # Not the device and the folder of compiled programs, which the worker has chosen.
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

    def changes_since(self, earlier: "KerasSettings") -> "KerasSettings":
        """Return those settings alone whose values differ from the earlier ones."""
        return KerasSettings(
            values={name: value for name, value in self.values.items() if earlier.values[name] != value}
        )


def read_keras_settings() -> KerasSettings:
    """Return the settings that hold now."""
    return KerasSettings(values={name: read() for name, (read, _) in _settings().items()})
