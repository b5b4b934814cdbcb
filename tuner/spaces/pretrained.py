"""A net of keras.applications that has learned elsewhere, with a new head: frozen, or with its last blocks fine-tuned.

The body's weights are read when training starts (see `tuner.jobs.study.starting_weights`), not when the model is built,
so that a bundle is rebuilt without them. Images come as to every space, float32 in [0, 1]; what the net wants of them
is done inside the model: grey ones are repeated for the three channels, those that are too small are enlarged, and the
values are scaled as the net's own `preprocess_input` does it.
"""

from collections.abc import Mapping
from typing import Any

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.spaces import compile_settings
from tuner.spaces.applications import Application, ApplicationError, find_application
from tuner.spaces.body import Body, freeze, list_blocks, mark_body
from tuner.spaces.dense import DenseLayers
from tuner.spaces.two_rates import slow_down

#: What `application` stands for unless a study names a net.
SMALL = "small"
SMALL_APPLICATIONS = ("MobileNetV3Small", "MobileNetV2", "EfficientNetV2B0")
#: What `weights` may be.
PRETRAINED, RANDOM = "pretrained", "random"

#: The purpose of each hyperparameter.
PARAMETERS: Mapping[str, str] = {
    "application": "The net, such as ResNet50 or MobileNet-0.25; small: one of small_application. Not searched: fix "
    "it, or give it a range of values.",
    "small_application": "Which of three small nets.",
    "image_size": "Side to which images are resized inside the model, in pixels; 0 leaves them as they are, unless "
    "the net needs larger ones. Not searched: fix it to 96 or more for small images.",
    "weights": "pretrained: those of search.weights_from, or of Keras' cache folder; random: new ones, all of which "
    "learn. Not searched.",
    "fine_tuned_blocks": "Last blocks of the net that learn; 0 freezes it whole. A block ends where the net halves its "
    "images; most have five.",
    "body_rate": "Learning rate of the blocks that learn, as a part of the head's.",
    "dense_layers": "Hidden dense layers between the features and the class probabilities.",
    "dense_units": "Neurons of each hidden dense layer.",
    "dropout": "Share of outputs that is set to zero in training, of the features and of hidden dense layers.",
    **compile_settings.PARAMETERS,
}

_MOST_BLOCKS = 32
_GREY, _RGB = 1, 3


def build(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
    """Build and compile one net; its input is float32, shape (batch, height, width, channels), in [0, 1].

    Raises:
        ApplicationError: There is no such net, it has fewer blocks, or it cannot take images of this size or channels.
    """
    application = _choose_application(hp)
    image_size = hp.Fixed("image_size", 0)
    weights = hp.Fixed("weights", PRETRAINED)
    if weights not in (PRETRAINED, RANDOM):
        raise ApplicationError(f"weights: received {weights!r}, expected {PRETRAINED} or {RANDOM}.")
    with hp.conditional_scope("weights", [PRETRAINED]):
        fine_tuned = hp.Int("fine_tuned_blocks", 0, 2, default=0)
        with hp.conditional_scope("fine_tuned_blocks", list(range(1, _MOST_BLOCKS))):
            body_rate = hp.Float("body_rate", 0.01, 1.0, sampling="log", default=0.1)

    inputs = keras.Input(images.shape)
    prepared = application.prepare(_to_rgb(inputs, application, image_size))
    net = application.apply(prepared)
    blocks = list_blocks(net)
    if weights == PRETRAINED:
        _freeze_all_but(blocks, fine_tuned, application)
    slower = [one for layer in (layer for block in blocks for layer in block) for one in layer.trainable_weights]
    outputs = _choose_head(hp, keras.layers.GlobalAveragePooling2D()(net.output), images)
    model = keras.Model(inputs, outputs, name="pretrained")
    compile_settings.compile_classifier(
        model, hp, adapt=lambda optimizer: slow_down(optimizer, slower, rate=body_rate) if fine_tuned else optimizer
    )
    mark_body(
        model,
        Body(
            application=application,
            prepared_by=_origin_of(prepared),
            last_layer=_origin_of(net.output),
            is_pretrained=weights == PRETRAINED,
        ),
    )
    return model


def _origin_of(tensor: Any) -> str:
    name: str = tensor._keras_history.operation.name  # noqa: SLF001 - Keras has no public way from a tensor to its layer
    return name


def _choose_application(hp: keras_tuner.HyperParameters) -> Application:
    name = hp.Fixed("application", SMALL)
    with hp.conditional_scope("application", [SMALL]):
        small = hp.Choice("small_application", list(SMALL_APPLICATIONS), default=SMALL_APPLICATIONS[0])
    return find_application(small if name == SMALL else name)


def _to_rgb(x: Any, application: Application, image_size: int) -> Any:
    """Return images of three channels and of a size that the net takes."""
    _, height, width, channels = x.shape
    if channels not in (_GREY, _RGB):
        raise ApplicationError(f"{application.name} takes grey or RGB images; received images of {channels} channels.")
    smallest = application.smallest
    if image_size and image_size < smallest:
        raise ApplicationError(
            f"image_size: received {image_size}, expected at least {smallest} for {application.name}, or 0."
        )
    size = (image_size, image_size) if image_size else (max(height, smallest), max(width, smallest))
    if size != (height, width):
        x = keras.layers.Resizing(*size)(x)
    # After the resizing, which then has one channel to do.
    return keras.layers.Concatenate()([x, x, x]) if channels == _GREY else x


def _freeze_all_but(blocks: list[list[keras.layers.Layer]], n_fine_tuned: int, application: Application) -> None:
    """Freeze all blocks but the last ones, and batch normalization in these too."""
    if not 0 <= n_fine_tuned <= len(blocks):
        raise ApplicationError(
            f"fine_tuned_blocks: received {n_fine_tuned}, expected 0 to {len(blocks)}, which {application.name} has."
        )
    kept = len(blocks) - n_fine_tuned
    freeze([layer for block in blocks[:kept] for layer in block])
    # Statistics of a few small batches would spoil what the net has learned.
    normalizations = (keras.layers.BatchNormalization, keras.layers.Normalization)
    freeze([layer for block in blocks[kept:] for layer in block if isinstance(layer, normalizations)])


def _choose_head(hp: keras_tuner.HyperParameters, x: Any, images: ImageFormat) -> Any:
    dropout = hp.Float("dropout", 0.0, 0.5, step=0.1, default=0.2)
    dense_layers = hp.Int("dense_layers", 0, 1, default=0)
    with hp.conditional_scope("dense_layers", [1]):
        dense_units = hp.Int("dense_units", 16, 512, sampling="log", default=128)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    if dense_layers:
        x = DenseLayers(
            layers=dense_layers,
            units=dense_units,
            activation=lambda: keras.layers.Activation("relu"),
            batch_normalization=False,
            dropout=dropout,
        )(x)
    return keras.layers.Dense(images.n_classes, activation="softmax")(x)
