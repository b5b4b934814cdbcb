"""Between a bundle and a Keras model: write one from a trained model, rebuild the model of one that was read."""

import logging
from collections.abc import Mapping, Sequence
from math import prod

import keras
import numpy as np

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import Bundle, BundleDescription, BundleMismatchError, pack_bundle
from tuner.image_ranges import mark_range
from tuner.spaces.registry import fixed_hyperparameters, open_space
from tuner.training.variables import renew_constants

_log = logging.getLogger(__name__)


def write_bundle(
    store: ArtifactStore,
    path: str,
    model: keras.Model,
    description: BundleDescription,
    *,
    sources: Mapping[str, bytes] | None = None,
) -> None:
    """Write a trained model as a bundle; equal models and descriptions give equal bytes.

    Args:
        store: Where it is written.
        path: Its path there, ending in `.bundle`; an older file is replaced.
        model: Built by the description's space with the description's hyperparameters.
        description: What the model is.
        sources: Of the user's own builder, by path; see `Space.sources`.

    Raises:
        TunerError: The store refuses the file.
    """
    arrays = [np.asarray(array) for array in model.get_weights()]
    weights = [(variable.path, array) for variable, array in zip(model.weights, arrays, strict=True)]
    store.write(path, pack_bundle(description, weights, sources=sources))


def build_model(bundle: Bundle) -> keras.Model:
    """Rebuild a bundle's model, see `Bundle.build_model`."""
    description = bundle.description
    space = open_space(description.space)
    changed = sorted(path for path, content in bundle.sources.items() if space.sources.get(path) != content)
    if changed:
        _log.warning(
            "The builder %s has changed since this model was trained (%s): it may predict otherwise. The source "
            "of that time is in the bundle's folder source/, which `unzip` unpacks.",
            space.name,
            ", ".join(changed),
        )
    model = space.build(fixed_hyperparameters(description.hyperparameters), description.images)
    mark_range(model, description.image_range)
    received = [(array.shape, str(array.dtype)) for array in bundle.weights]
    if received != [(tuple(weight.shape), weight.dtype) for weight in model.weights]:
        raise BundleMismatchError(
            f"The bundle's weights do not fit the space {space.name!r}: received {_describe(received)}, expected "
            f"{len(model.weights)} arrays of {model.count_params():,} numbers. Use the code that trained it: "
            f"tuner {description.provenance.versions.get('tuner', 'of its time')}."
        )
    model.set_weights(bundle.weights)
    renew_constants(model)
    return model


def _describe(weights: Sequence[tuple[tuple[int, ...], str]]) -> str:
    return f"{len(weights)} arrays of {sum(prod(shape) for shape, _ in weights):,} numbers"
