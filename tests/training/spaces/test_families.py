import itertools

import keras
import pytest

from tuner.datasets.images import ImageFormat
from tuner.spaces.declared import declare_hyperparameters
from tuner.spaces.registry import fixed_hyperparameters, open_space

MNIST = ImageFormat(height=28, width=28, channels=1, class_names=tuple("0123456789"))


def build(name: str, images: ImageFormat = MNIST, **values: object) -> keras.Model:
    return open_space(name).build(fixed_hyperparameters(values), images)


def test_resnet_preact_20_has_the_published_number_of_weights() -> None:
    # hysts, pytorch_image_classification: 273,370 with one channel.
    assert build("resnet", variant="preact", blocks=3, filters=16).count_params() == 273_370


def test_resnet_34_has_the_published_number_of_weights() -> None:
    model = build("resnet", variant="resnet34")

    assert model.count_params() == 21_300_554
    assert sum(weight.shape.num_elements() for weight in model.trainable_variables) == 21_283_530


def test_width_multiplies_filters() -> None:
    narrow, wide = build("cnn", filters=16, width=1), build("cnn", filters=16, width=4)

    assert [layer.filters * 4 for layer in convolutions(narrow)] == [layer.filters for layer in convolutions(wide)]


@pytest.mark.parametrize(
    ("kernel_size", "stride", "padding", "pooling"),
    list(itertools.product([3, 7], [1, 2], ["same", "valid"], ["max", "stride"])),
)
def test_the_deepest_convolutional_net_leaves_something_of_a_tiny_picture(
    digits: ImageFormat, kernel_size: int, stride: int, padding: str, pooling: str
) -> None:
    shape = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "pooling": pooling}

    model = build("cnn", digits, blocks=3, convolutions=3, filters=8, head="average", **shape)

    assert all(min(layer.output.shape[1:3]) >= 1 for layer in convolutions(model))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad", "adadelta"])
def test_every_optimizer_has_a_learning_rate_it_can_use(optimizer: str) -> None:
    model = build("mlp", optimizer=optimizer)

    assert type(model.optimizer).__name__.lower() == optimizer
    assert float(model.optimizer.learning_rate.value) == pytest.approx(
        0.05 if optimizer in {"sgd", "adagrad", "adadelta"} else 1e-3
    )


def test_sgd_is_nesterovs_and_may_have_no_momentum() -> None:
    assert build("mlp", optimizer="sgd").optimizer.nesterov
    assert build("mlp", optimizer="sgd", momentum=0.0).optimizer.momentum == 0.0


def test_weight_decay_spares_biases_and_scales() -> None:
    model = build("mlp", optimizer="adamw", weight_decay=0.1, batch_normalization=True, hidden_layers=1)
    model.optimizer.build(model.trainable_variables)

    decayed = [weight.name for weight in model.trainable_variables if model.optimizer._use_weight_decay(weight)]

    assert decayed == ["kernel", "kernel"]


def test_label_smoothing_is_asked_only_where_the_loss_has_it() -> None:
    smoothed = build("mlp", loss="categorical_crossentropy", label_smoothing=0.1)
    hp = fixed_hyperparameters({"loss": "kl_divergence"})
    open_space("mlp").build(hp, MNIST)

    assert smoothed.loss.get_config()["label_smoothing"] == 0.1
    assert "label_smoothing" not in hp.values


# What the four reports tuned, with the values that they tried.
@pytest.mark.parametrize(
    ("name", "tried"),
    [
        ("mlp", {"batch_size": [16, 32, 64], "units": [10, 50, 64, 100, 397], "hidden_layers": [1, 2, 3, 4]}),
        ("mlp", {"loss": ["categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence"]}),
        ("cnn", {"kernel_size": [3, 5, 7], "batch_size": [256, 512], "pooling": ["max", "average"]}),
        ("cnn", {"filters": [8, 16, 32], "blocks": [1, 2, 3], "dense_layers": [1, 2, 3], "dense_units": [20, 64, 128]}),
        ("cnn", {"dropout": [0.0, 0.2, 0.5], "negative_slope": [0.05, 0.08, 0.1], "padding": ["same", "valid"]}),
        ("cnn", {"activation": ["relu", "leaky_relu", "elu"], "learning_rate": [0.001, 0.01, 0.1, 1.0]}),
    ],
)
def test_what_the_reports_tuned_can_be_searched(name: str, tried: dict[str, list[object]], digits: ImageFormat) -> None:
    declared = declare_hyperparameters(open_space(name), digits)

    for parameter_name, values in tried.items():
        variants = [parameter for parameter in declared if parameter.name == parameter_name]
        assert all(any(allows(variant, value) for variant in variants) for value in values), parameter_name


def allows(parameter: object, value: object) -> bool:
    if hasattr(parameter, "min_value"):
        return parameter.min_value <= value <= parameter.max_value
    return value in parameter.values


def convolutions(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
