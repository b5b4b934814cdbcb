"""What the layers of a model see, as small pictures. Knows neither Keras nor Optuna: the report shows them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerMaps:
    """What one layer returns for some images: for each image the first of its maps, or all its units as one map."""

    #: Among the layers with outputs of their own, in the order of their calls, from 1.
    position: int
    #: Its class in Keras.
    kind: str
    #: Of its output without the batch: (height, width, channels) or (units,).
    shape: tuple[int, ...]
    #: uint8, shape (images, maps, height, width): of an image's maps, the lowest value is black, the highest white.
    maps: NDArray[np.uint8]

    @property
    def is_spatial(self) -> bool:
        """Whether the maps are feature maps; else the one map shows the units, row by row."""
        return len(self.shape) > 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Filters:
    """The weights with which the first layer looks at an image."""

    #: The layer's class in Keras.
    kind: str
    #: How many the layer has.
    n_filters: int
    #: uint8, shape (filters, height, width, channels): the first of them; 0 is grey, the strongest of all weights
    #: black or white.
    pictures: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPictures:
    """What a model's layers see of some images."""

    #: uint8, shape (images, height, width, channels), scaled down where they are large.
    images: NDArray[np.uint8]
    #: float32, shape (images, classes).
    probabilities: NDArray[np.float32]
    #: uint8, shape (images, height, width): the brighter, the more the predicted class's score depends on the pixel.
    #: None where Keras' backend is not one that computes it.
    saliency: NDArray[np.uint8] | None
    #: In the order of their calls.
    layers: tuple[LayerMaps, ...]
    #: Layers with outputs of their own, of which `layers` are some.
    n_layers: int
    #: None where no layer looks at pixels with weights.
    filters: Filters | None


class _LayerText(BaseModel):
    model_config = ConfigDict(frozen=True)

    position: int
    kind: str
    shape: tuple[int, ...]


class _FiltersText(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: str
    n_filters: int


class LayerPicturesText(BaseModel):
    """All of `LayerPictures` but its arrays, as JSON."""

    model_config = ConfigDict(frozen=True)

    layers: tuple[_LayerText, ...]
    n_layers: int
    filters: _FiltersText | None
    has_saliency: bool

    @property
    def array_names(self) -> list[str]:
        """The names of the arrays."""
        optional = [*(["saliency"] if self.has_saliency else []), *(["filters"] if self.filters else [])]
        return ["images", "probabilities", *(f"maps_{index}" for index in range(len(self.layers))), *optional]


def take_apart(pictures: LayerPictures) -> tuple[LayerPicturesText, dict[str, NDArray[Any]]]:
    """Return what `put_together` takes."""
    filters = pictures.filters
    text = LayerPicturesText(
        layers=tuple(
            _LayerText(position=layer.position, kind=layer.kind, shape=layer.shape) for layer in pictures.layers
        ),
        n_layers=pictures.n_layers,
        filters=None if filters is None else _FiltersText(kind=filters.kind, n_filters=filters.n_filters),
        has_saliency=pictures.saliency is not None,
    )
    arrays: dict[str, NDArray[Any]] = {"images": pictures.images, "probabilities": pictures.probabilities}
    arrays |= {f"maps_{index}": layer.maps for index, layer in enumerate(pictures.layers)}
    if pictures.saliency is not None:
        arrays["saliency"] = pictures.saliency
    if filters is not None:
        arrays["filters"] = filters.pictures
    return text, arrays


def put_together(text: LayerPicturesText, arrays: dict[str, NDArray[Any]]) -> LayerPictures:
    """Return the pictures of a text and its arrays."""
    return LayerPictures(
        images=arrays["images"],
        probabilities=arrays["probabilities"],
        saliency=arrays.get("saliency"),
        layers=tuple(
            LayerMaps(position=layer.position, kind=layer.kind, shape=layer.shape, maps=arrays[f"maps_{index}"])
            for index, layer in enumerate(text.layers)
        ),
        n_layers=text.n_layers,
        filters=None
        if text.filters is None
        else Filters(kind=text.filters.kind, n_filters=text.filters.n_filters, pictures=arrays["filters"]),
    )
