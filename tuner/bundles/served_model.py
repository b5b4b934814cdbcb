"""The Keras model that is exported: the bundle's own, with probabilities as outputs, and bytes as inputs if asked for.

| input     | one image                                                | is                             |
|-----------|----------------------------------------------------------|--------------------------------|
| `float32` | float32, shape (height, width, channels), in its range   | what the bundle's model takes  |
| `uint8`   | uint8, shape (height, width, channels), from 0 to 255    | scaled as in training          |

No other preparation of pictures is exact outside of this package: decoding, background, range and size of pictures
belong to `tuner predict`. Outputs become probabilities as in `training.predictions`.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tuner.bundles.bundle import Bundle, BundleDescription
from tuner.bundles.ensemble import Ensemble, members_of
from tuner.bundles.export_formats import InputKind
from tuner.errors import TunerError, shorten
from tuner.image_ranges import white_of, white_value
from tuner.training.batches import scale
from tuner.training.predictions import OutputKind, noise_images, output_kind, predict_raw

#: The name of the input in every format that names inputs.
INPUT_NAME = "images"


class OtherInputsError(TunerError):
    """The members of an ensemble see different images."""

    def __init__(self, received: Sequence[str]) -> None:
        super().__init__(
            f"The members of this ensemble see different images ({'; '.join(received)}) and cannot be one model. "
            "Export the bundle of each member, or predict with `tuner predict`."
        )


class NotTraceableError(TunerError):
    """Nothing can be put before or behind the model."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"The model cannot be a part of another one: {shorten(f'{type(error).__name__}: {error}', width=300)}. "
            "Expected a `call` that works on tensors whose numbers are not known yet, as `keras.Model` asks for."
        )


def build_served_model(bundle: Bundle | Ensemble, *, takes: InputKind) -> tuple[keras.Model, bool]:
    """Return one model that returns probabilities, and whether it is the bundle's own model as its builder makes it.

    An ensemble becomes one model that averages the probabilities of its members.

    Raises:
        OtherInputsError: The members of an ensemble take images of different shapes or pixels.
        NotTraceableError: A builder's model cannot be called in another one.
        TunerError: A model cannot be rebuilt.
    """
    members = members_of(bundle)
    _refuse_other_inputs([member.description for member in members])
    shape = members[0].description.images.shape
    models = [member.build_model() for member in members]
    kinds = [_find_output_kind(model, shape) for model in models]
    if len(models) == 1 and takes == "float32" and kinds == ["probabilities"]:
        return models[0], True
    try:
        return _join(models, kinds, shape, takes), False
    except Exception as error:
        # A builder's own `call` may need numbers, and raises errors of any class for a tensor without them.
        raise NotTraceableError(error) from error


def _join(
    models: Sequence[keras.Model], kinds: Sequence[OutputKind], shape: tuple[int, int, int], takes: InputKind
) -> keras.Model:
    inputs = keras.Input(shape, dtype=takes, name=INPUT_NAME)
    pictures = scale(inputs, white_of(models[0])) if takes == "uint8" else inputs
    answers = []
    for number, (model, kind) in enumerate(zip(models, kinds, strict=True), start=1):
        if len(models) > 1:
            # The members of an ensemble may be of one space, whose models have one name.
            model.name = f"member_{number}"
        outputs = ops.cast(model(pictures, training=False), "float32")
        answers.append(_to_probabilities(outputs, kind))
    mean = answers[0] if len(answers) == 1 else ops.mean(ops.stack(answers), axis=0)
    return keras.Model(inputs, mean, name="served")


def example_images(bundle: Bundle | Ensemble, takes: InputKind) -> NDArray[Any]:
    """Return a few images of noise as the exported model takes them: shape (32, height, width, channels)."""
    described = members_of(bundle)[0].description
    images = noise_images(described.images.shape)
    divisor = np.float32(255 / white_value(described.image_range))
    return images if takes == "uint8" else np.asarray(images, np.float32) / divisor


def _find_output_kind(model: keras.Model, shape: tuple[int, int, int]) -> OutputKind:
    """Judge the outputs for noise, for noise of few bright pixels, as drawings are, and for black and white."""
    noise = noise_images(shape)
    sparse = np.where(noise > 200, np.uint8(255), np.uint8(0))  # noqa: PLR2004 - a fifth of the pixels
    plain = np.stack([np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)])
    return output_kind(model, predict_raw(model, np.concatenate([noise, sparse, plain])))


def _to_probabilities(outputs: Any, kind: OutputKind) -> Any:
    """Do what `training.predictions.normalise` does, with operations that belong to the model."""
    if kind == "probabilities":
        return outputs
    if kind == "logits":
        return ops.softmax(outputs)
    shares = ops.sigmoid(outputs) if kind == "binary logits" else outputs
    # Where every sigmoid is 0 the classes are equally unlikely.
    shares = ops.where(ops.sum(shares, axis=-1, keepdims=True) > 0, shares, 1.0)
    return shares / ops.sum(shares, axis=-1, keepdims=True)


def _refuse_other_inputs(descriptions: Sequence[BundleDescription]) -> None:
    seen = {(one.images.shape, one.pixels, one.image_range): one for one in descriptions}
    if len(seen) > 1:
        raise OtherInputsError(
            [
                f"{'x'.join(map(str, one.images.shape))} of {one.provenance.study}, "
                f"{'pixels unknown' if one.pixels is None else one.pixels.describe()}, {one.image_range}"
                for one in seen.values()
            ]
        )
