from typing import Any

import keras
import numpy as np
from keras import layers
from small_models import build_cnn, build_mlp, random_images

from tuner.bundles.inspection import look_inside
from tuner.training.batches import scale
from tuner.training.layer_outputs import layer_outputs, saliency

IMAGES = random_images(3).images


class OwnNet(keras.Model):  # type: ignore[misc] # Keras ships no types
    """A subclass, which shows no layer outputs of its own, and uses one layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.look = layers.Conv2D(4, 3, padding="same")
        self.again = layers.Conv2D(4, 3, padding="same", activation="relu")
        self.flat, self.drop = layers.Flatten(), layers.Dropout(0.5)
        self.answer = layers.Dense(10, activation="softmax")

    def call(self, inputs: Any) -> Any:
        return self.answer(self.drop(self.flat(self.again(self.again(self.look(inputs))))))


def own_net() -> keras.Model:
    model = OwnNet()
    model(np.zeros((1, 8, 8, 1), np.float32))
    return model


def test_the_outputs_are_those_of_the_layers_in_the_order_of_their_calls() -> None:
    model = build_cnn(dropout=0.5)

    found = layer_outputs(model, IMAGES)

    assert [type(one.layer).__name__ for one in found] == ["Conv2D", "BatchNormalization", "ReLU", "Dense"]
    assert np.allclose(found[-1].values, keras.ops.convert_to_numpy(model(scale(IMAGES))), atol=1e-6)


def test_a_subclass_is_looked_into_and_a_layer_that_is_called_twice_is_shown_twice() -> None:
    found = layer_outputs(own_net(), IMAGES)

    assert [one.values.shape for one in found] == [(3, 8, 8, 4)] * 3 + [(3, 10)]
    assert found[1].layer is found[2].layer


def test_saliency_is_the_gradient_of_the_score_before_the_softmax() -> None:
    model = build_mlp()
    weights = [np.array(array) for array in model.get_weights()]

    found = saliency(model, IMAGES[:1], np.array([4]))

    assert found is not None
    hidden, answer = (layer for layer in model.layers if isinstance(layer, layers.Dense))
    pixels = IMAGES[0].astype(np.float64).ravel() / 255
    kernel, bias = (np.asarray(array, np.float64) for array in hidden.get_weights())
    is_active = (pixels @ kernel + bias) > 0
    expected = kernel @ (is_active * np.asarray(answer.get_weights()[0], np.float64)[:, 4])
    assert np.allclose(found[0].ravel(), np.abs(expected), rtol=1e-4, atol=1e-6)
    assert all(np.array_equal(before, after) for before, after in zip(weights, model.get_weights(), strict=True))
    assert answer.activation is keras.activations.softmax


def test_a_subclass_has_a_saliency_too() -> None:
    found = saliency(own_net(), IMAGES, np.array([0, 5, 9]))

    assert found is not None
    assert found.shape == (3, 8, 8)
    assert (found.max(axis=(1, 2)) > 0).all()


def test_what_is_drawn_is_small_and_says_what_it_leaves_out() -> None:
    model = keras.Sequential([keras.Input((200, 100, 3)), layers.Conv2D(40, 5, strides=2, activation="relu")])
    model.add(layers.Flatten())
    model.add(layers.Dense(50))
    model.add(layers.Dense(3, activation="softmax"))
    images = np.random.default_rng(0).integers(0, 256, (2, 200, 100, 3), dtype=np.uint8)

    drawn = look_inside(model, images, max_maps=6)

    convolution, dense = drawn.layers
    assert convolution.shape == (98, 48, 40)
    assert convolution.maps.shape == (2, 6, 56, 27)
    assert (dense.shape, dense.maps.shape) == ((50,), (2, 1, 2, 32))
    assert drawn.images.shape == (2, 56, 28, 3)
    assert drawn.filters is not None
    assert (drawn.filters.n_filters, drawn.filters.pictures.shape) == (40, (32, 5, 5, 3))


def test_a_dense_first_layer_shows_its_weights_as_images() -> None:
    model = build_mlp()

    filters = look_inside(model, IMAGES).filters

    assert filters is not None
    assert filters.pictures.shape == (16, 8, 8, 1)
    kernel = model.layers[1].get_weights()[0]
    strongest = np.unravel_index(np.abs(kernel).argmax(), kernel.shape)
    shown = filters.pictures[strongest[1]].ravel()[strongest[0]]
    assert shown == (255 if kernel[strongest] > 0 else 0)
