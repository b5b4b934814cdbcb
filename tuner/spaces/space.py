"""The value that stands for a space, whether a family of this package or a person's own builder."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError
from tuner.plain_values import Hyperparameters

if TYPE_CHECKING:
    import keras
    import keras_tuner

#: The name of the one hyperparameter that a space asks without using it, see `read_batch_size`.
BATCH_SIZE = "batch_size"


class BatchSizeError(TunerError):
    """A builder's hyperparameter `batch_size` is no number of images."""

    def __init__(self, value: Any) -> None:
        super().__init__(
            f"The space's hyperparameter {BATCH_SIZE} is {value!r}, expected a whole number of at least 1: it is the "
            "number of images per step of training. Change its values, or its name if it means something else."
        )


def read_batch_size(values: Hyperparameters, *, default: int) -> int:
    """Return the images per step of the optimizer that a space has asked, else the default.

    Args:
        values: Those of the hyperparameters once the model is built.
        default: The study's `search.batch_size`.

    Raises:
        BatchSizeError: The value is no whole number of at least 1.
    """
    value = values.get(BATCH_SIZE, default)
    # A choice among texts may say "32".
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    is_number = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
    if not is_number or number != int(number) or number < 1:
        raise BatchSizeError(value)
    return int(number)


@dataclass(frozen=True, kw_only=True)
class Space:
    """A family of models to search."""

    #: As `open_space` takes it.
    name: str
    description: str
    #: Asks `hp` for hyperparameters and returns a compiled model for these images.
    build: Callable[["keras_tuner.HyperParameters", ImageFormat], "keras.Model"]
    #: A HyperModel's own `fit(hp, model, *args, **kwargs)`, to be called with the model that `build` returned last;
    #: None for Keras' own training.
    fit: Callable[..., Any] | None = None
    #: Hyperparameter → what it is for; empty where the builder's module has no `PARAMETERS`.
    help: Mapping[str, str]
    #: Source files of a person's own builder as they were when it was imported, by their path below the folder on the
    #: import path; empty for the families of this package and for installed builders.
    sources: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def source_sha256(self) -> str | None:
        """The SHA-256 of the source files, in hexadecimal; None without any."""
        return hash_sources(self.sources)


def hash_sources(sources: Mapping[str, bytes]) -> str | None:
    """Return the SHA-256 of source files by their paths, in hexadecimal; None without any."""
    if not sources:
        return None
    digest = hashlib.sha256()
    for path, content in sorted(sources.items()):
        digest.update(repr((path, hashlib.sha256(content).hexdigest())).encode())
    return digest.hexdigest()
