"""Nets of keras.applications as a space; the smallest of them, with random weights."""

from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError
from tuner.spaces.applications import APPLICATIONS, find_application
from tuner.spaces.body import body_of, list_blocks
from tuner.spaces.registry import fixed_hyperparameters, open_space
from tuner.spaces.two_rates import slow_down

TINY = {"application": "MobileNet-0.25"}
COLOUR = ImageFormat(height=32, width=32, channels=3, class_names=("cat", "dog", "frog"))


def build(images: ImageFormat = COLOUR, **values: Any) -> keras.Model:
    return open_space("pretrained").build(fixed_hyperparameters({**TINY, **values}), images)


def test_every_application_is_one_of_keras() -> None:
    assert all(callable(getattr(keras.applications, one.function)) for one in APPLICATIONS.values())
    assert find_application("MobileNet-0.25").settings == {"alpha": 0.25}
    assert find_application("MobileNet-0.25").weights_file.name == "mobilenet_2_5_224_tf_no_top.h5"
    assert find_application("MobileNetV2").weights_file.name.endswith("_1.0_224_no_top.h5")


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("MobileNetV2", "mobilenet_v2"),
        ("ResNet50", "resnet"),
        ("DenseNet121", "densenet"),
        ("MobileNetV3Small", "mobilenet_v3"),
        ("ConvNeXtTiny", "convnext"),
    ],
)
def test_images_are_scaled_as_the_nets_own_function_scales_them(name: str, module: str) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype(np.float32)
    inputs = keras.Input((4, 4, 3))

    prepare = keras.Model(inputs, find_application(name).prepare(inputs))

    expected = getattr(keras.applications, module).preprocess_input(levels.copy())
    np.testing.assert_allclose(of(prepare(levels / 255)), expected, rtol=1e-5, atol=1e-4)


def test_efficientnet_sees_what_keras_makes_of_its_images_for_imagenets_weights() -> None:
    # What `EfficientNet(weights="imagenet")` does after `x / 255` and `Normalization`, which has these statistics.
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    levels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype(np.float32)
    inputs = keras.Input((4, 4, 3))

    prepared = of(keras.Model(inputs, find_application("EfficientNetB0").prepare(inputs))(levels / 255))

    normalized = (prepared / 255 - mean) / np.sqrt(deviation)
    np.testing.assert_allclose(
        normalized, (levels / 255 - mean) / np.sqrt(deviation) / np.sqrt(deviation), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("size", "channels", "image_size", "expected"), [(8, 1, 0, 32), (28, 1, 64, 64), (40, 3, 0, 40)]
)
def test_grey_and_small_images_become_what_the_net_takes(
    size: int, channels: int, image_size: int, expected: int
) -> None:
    images = ImageFormat(height=size, width=size, channels=channels, class_names=("a", "b"))

    model = build(images, image_size=image_size)

    first = next(layer for layer in model.layers if layer.name == "conv1")
    assert tuple(first.input.shape) == (None, expected, expected, 3)


def test_a_frozen_body_learns_nothing_and_keeps_its_statistics() -> None:
    model = build()
    before = {weight.path: of(weight) for weight in model.weights}
    # Traced, a step takes ten times as long.
    model.run_eagerly = True

    model.fit(np.random.default_rng(0).random((4, 32, 32, 3)), np.eye(3)[[0, 1, 2, 0]], verbose=0)

    changed = {weight.path for weight in model.weights if not np.array_equal(before[weight.path], of(weight))}
    assert {path.split("/")[0].partition("_")[0] for path in changed} == {"dense"}
    assert len(model.trainable_variables) == 2


def test_fine_tuned_blocks_learn_more_slowly_than_the_head() -> None:
    model = build(
        fine_tuned_blocks=1, body_rate=0.1, optimizer="sgd", learning_rate=1.0, momentum=0.0, weight_decay=0.0
    )
    quick = build(
        fine_tuned_blocks=1, body_rate=1.0, optimizer="sgd", learning_rate=1.0, momentum=0.0, weight_decay=0.0
    )
    quick.set_weights(model.get_weights())
    x, y = np.random.default_rng(0).random((4, 32, 32, 3)), np.eye(3)[[0, 1, 2, 0]]
    before = [of(weight) for weight in model.trainable_variables]

    moves = []
    for one in (model, quick):
        keras.utils.set_random_seed(1)
        one.run_eagerly = True
        one.fit(x, y, verbose=0)
        moves.append([of(weight) - old for weight, old in zip(one.trainable_variables, before, strict=True)])

    names = [weight.path.split("/")[0] for weight in model.trainable_variables]
    assert all(name.startswith(("conv_dw_12", "conv_pw_12", "conv_dw_13", "conv_pw_13", "dense")) for name in names)
    for name, slow, fast in zip(names, *moves, strict=True):
        factor = 1 if name.startswith("dense") else 0.1
        np.testing.assert_allclose(slow, factor * fast, rtol=1e-2, atol=1e-6)


def test_random_weights_all_learn() -> None:
    model = build(weights="random")

    assert all(layer.trainable for layer in model.layers)
    assert body_of(model).is_pretrained is False  # type: ignore[union-attr]


def test_a_block_ends_where_images_are_halved() -> None:
    blocks = list_blocks(find_application("MobileNet-0.25").apply(keras.Input((32, 32, 3))))

    assert [block[0].name for block in blocks] == ["conv1", "conv_dw_2", "conv_dw_4", "conv_dw_6", "conv_dw_12"]


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "Nadam", "RMSprop", "SGD", "Adagrad", "Adadelta"])
def test_every_optimizer_can_have_two_rates(optimizer: str) -> None:
    slow, fast = (keras.Variable(np.ones(2, np.float32), name=name) for name in ("slow", "fast"))
    made = slow_down(getattr(keras.optimizers, optimizer)(0.1), [slow], rate=0.25)

    made.apply([np.full(2, 0.5, np.float32)] * 2, [slow, fast])

    np.testing.assert_allclose(1 - of(slow), 0.25 * (1 - of(fast)), rtol=1e-2)
    assert not np.array_equal(of(slow), np.ones(2))


@pytest.mark.parametrize(
    ("values", "images", "message"),
    [
        ({"application": "MobileNet-0.3"}, COLOUR, r"application: received 'MobileNet-0.3'. Did you mean 'MobileNet-0"),
        ({"fine_tuned_blocks": 6}, COLOUR, "fine_tuned_blocks: received 6, expected 0 to 5, which MobileNet-0.25 has"),
        ({"image_size": 16}, COLOUR, "image_size: received 16, expected at least 32 for MobileNet-0.25"),
        ({"weights": "imagenet"}, COLOUR, "weights: received 'imagenet', expected pretrained or random"),
        ({}, ImageFormat(height=32, width=32, channels=4, class_names=("a", "b")), "received images of 4 channels"),
    ],
)
def test_what_a_net_cannot_do_is_one_line(values: dict[str, Any], images: ImageFormat, message: str) -> None:
    with pytest.raises(TunerError, match=message) as caught:
        build(images, **values)
    assert "\n" not in str(caught.value)


def of(tensor: Any) -> NDArray[Any]:
    return np.array(keras.ops.convert_to_numpy(tensor))
