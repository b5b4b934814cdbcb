"""Look into a trained model: feature maps, first filters and saliency, made small for a page."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuner.bundles.layer_pictures import Filters, LayerMaps, LayerPictures
from tuner.training.layer_outputs import LayerOutput, layer_outputs, saliency
from tuner.training.predictions import predict_probabilities

#: Longest side of a picture in pixels; larger ones are scaled down.
MAX_SIDE = 56
#: Of one layer; of the first layer.
_MAX_MAPS, _MAX_FILTERS = 16, 32
#: Layers that are drawn, taken evenly from all.
_MAX_LAYERS = 12
#: Units of a dense layer that are drawn.
_MAX_UNITS = 1024
#: Pixels in a row of a dense layer's units.
_ROW = 32
_KERNEL_RANK = 4


def look_inside(
    model: keras.Model, images: NDArray[np.uint8], *, max_layers: int = _MAX_LAYERS, max_maps: int = _MAX_MAPS
) -> LayerPictures:
    """Show images to a model and return what its layers see; no weight changes.

    Args:
        model: Built, for float32 images in [0, 1].
        images: uint8, shape (n, height, width, channels), at least one.
        max_layers: Layers to draw, taken evenly from all.
        max_maps: Feature maps to draw of each layer, the first ones.
    """
    probabilities = predict_probabilities(model, images)
    outputs = layer_outputs(model, images)
    important = saliency(model, images, probabilities.argmax(axis=1).astype(np.int64))
    shown = _choose(outputs, max_layers)
    return LayerPictures(
        images=np.stack([shrink(image) for image in images]),
        probabilities=probabilities,
        saliency=None if important is None else np.stack([_to_grey(one[None], low=0.0)[0] for one in important]),
        layers=tuple(_maps_of(outputs[index], position=index + 1, max_maps=max_maps) for index in shown),
        n_layers=len(outputs),
        filters=_first_filters(outputs, images.shape[1:]),
    )


def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image, shape (height, width, channels), with sides of at most `MAX_SIDE`."""
    grey = image.shape[2] == 1
    picture = Image.fromarray(image[:, :, 0] if grey else image)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    array = np.asarray(picture)
    return array[:, :, None] if grey else array


def _choose(outputs: Sequence[LayerOutput], n_most: int) -> list[int]:
    """Return the indices of the layers to draw: without the answer itself, the first and the last, others evenly."""
    candidates = [index for index in range(len(outputs) - 1) if not _is_followed_closely(outputs, index)]
    if len(candidates) <= n_most:
        return candidates
    chosen = np.linspace(0, len(candidates) - 1, n_most).round().astype(int)
    return [candidates[place] for place in chosen]


def _is_followed_closely(outputs: Sequence[LayerOutput], index: int) -> bool:
    """Say whether a normalisation or an activation follows, which is drawn instead."""
    this, following = outputs[index], outputs[index + 1]
    changes_only_values = isinstance(following.layer, keras.layers.BatchNormalization) or not following.layer.weights
    return changes_only_values and this.values.shape == following.values.shape


def _maps_of(output: LayerOutput, *, position: int, max_maps: int) -> LayerMaps:
    maps = [_spatial_maps(one, max_maps) if output.is_spatial else _unit_map(one) for one in output.values]
    return LayerMaps(
        position=position,
        kind=type(output.layer).__name__,
        shape=output.values.shape[1:],
        maps=np.stack(maps),
    )


def _spatial_maps(values: NDArray[np.float32], max_maps: int) -> NDArray[np.uint8]:
    """Return the first maps of one image, shape (height, width, channels), as uint8, shape (maps, height, width)."""
    grey = _to_grey(np.moveaxis(values[:, :, :max_maps], -1, 0))
    return np.stack([shrink(one[:, :, None])[:, :, 0] for one in grey])


def _unit_map(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the units of one image as one map, uint8, shape (1, rows, columns); the last row is filled with black."""
    grey = _to_grey(values[:_MAX_UNITS][None])[0]
    columns = min(len(grey), _ROW)
    rows = math.ceil(len(grey) / columns)
    filled = np.zeros(rows * columns, np.uint8)
    filled[: len(grey)] = grey
    return filled.reshape(1, rows, columns)


def _to_grey(values: NDArray[np.float32], *, low: float | None = None) -> NDArray[np.uint8]:
    """Scale the values so that the lowest, or `low`, is 0 and the highest 255; equal values are 0."""
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    bottom, top = float(finite.min()) if low is None else low, float(finite.max())
    if top <= bottom:
        return np.zeros(values.shape, np.uint8)
    return np.asarray(np.rint((finite - bottom) * (255 / (top - bottom))), np.uint8)


def _first_filters(outputs: Sequence[LayerOutput], image_shape: tuple[int, ...]) -> Filters | None:
    """Return the kernel of the first layer that has one, if it looks at pixels."""
    layer = next((output.layer for output in outputs if _kernel(output.layer) is not None), None)
    if layer is None:
        return None
    kernel = np.asarray(keras.ops.convert_to_numpy(_kernel(layer)), np.float32)
    n_pixels, channels = math.prod(image_shape), image_shape[2]
    if kernel.ndim == _KERNEL_RANK:
        by_filter = np.moveaxis(kernel, -1, 0)
    elif kernel.shape[0] == n_pixels:
        by_filter = kernel.T.reshape(-1, *image_shape)
    else:
        return None
    if by_filter.shape[3] != channels:
        by_filter = by_filter.mean(axis=3, keepdims=True)
    strongest = float(np.abs(by_filter).max()) or 1.0
    grey = np.rint(127.5 + by_filter[:_MAX_FILTERS] * (127.5 / strongest)).astype(np.uint8)
    return Filters(
        kind=type(layer).__name__, n_filters=len(by_filter), pictures=np.stack([shrink(one) for one in grey])
    )


def _kernel(layer: keras.Layer) -> Any | None:
    kernel = getattr(layer, "kernel", None)
    return kernel if kernel is not None and len(kernel.shape) in (2, _KERNEL_RANK) else None
