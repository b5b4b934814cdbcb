"""The value that stands for a space, whether a family of this package or a person's own builder."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuner.datasets.images import ImageFormat

if TYPE_CHECKING:
    import keras
    import keras_tuner

#: The name of the one hyperparameter that a space asks without using it: `jobs.fitting` reads the number of images per
#: step from `hp.values` under this name, and takes `search.batch_size` where a space does not ask it.
BATCH_SIZE = "batch_size"


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
        if not self.sources:
            return None
        digest = hashlib.sha256()
        for path, content in sorted(self.sources.items()):
            digest.update(repr((path, hashlib.sha256(content).hexdigest())).encode())
        return digest.hexdigest()
