"""What a space is to everyone who searches it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuner.datasets.images import ImageFormat

if TYPE_CHECKING:
    import keras
    import keras_tuner

#: The one hyperparameter that a space only asks and does not use: training takes the images per step from the value of
#: this name, and from `search.batch_size` where a space asks no such hyperparameter. See `jobs.fitting`.
BATCH_SIZE = "batch_size"


@dataclass(frozen=True, kw_only=True)
class Space:
    """One family of models to search."""

    #: As `open_space` takes it.
    name: str
    description: str
    #: Asks `hp` for hyperparameters and returns a compiled model for these images.
    build: Callable[["keras_tuner.HyperParameters", ImageFormat], "keras.Model"]
    #: A HyperModel's own `fit(hp, model, *args, **kwargs)`, for the model that `build` returned last; None for
    #: Keras' own training.
    fit: Callable[..., Any] | None = None
    #: Hyperparameter → what it is for; empty where the builder says nothing.
    help: Mapping[str, str]
    #: Source files of a builder of one's own as they were when it was imported, by their path below the folder it was
    #: found in; empty for families of this package and for what is installed.
    sources: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def source_sha256(self) -> str | None:
        """The SHA-256 of the source files, in hexadecimal; None without any."""
        if not self.sources:
            return None
        digest = hashlib.sha256()
        for path, content in sorted(self.sources.items()):
            digest.update(repr((path, hashlib.sha256(content).hexdigest())).encode())
        return digest.hexdigest()
