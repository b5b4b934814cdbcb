"""What a space is to everyone who searches it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.datasets.images import ImageFormat

if TYPE_CHECKING:
    import keras
    import keras_tuner


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
