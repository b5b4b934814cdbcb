"""The nets of the four reports against the reports' own summaries and code."""

import keras
import numpy as np
import optuna
import pytest

from tuner.datasets.images import ImageFormat
from tuner.jobs.hyperparameters.hp import OptunaHyperParameters
from tuner.spaces.builder_errors import BuilderError
from tuner.spaces.declared import declare_hyperparameters
from tuner.spaces.registry import RECIPES, fixed_hyperparameters, open_space

MNIST = ImageFormat(height=28, width=28, channels=1, class_names=tuple("0123456789"))
COLOUR = ImageFormat(height=32, width=32, channels=3, class_names=("cat", "dog", "frog"))
# ResNet-34 takes seconds to build; it is built once, for its counts.
SMALL = [name for name in RECIPES if "resnet34" not in name]


def build(name: str, images: ImageFormat = MNIST, **values: object) -> keras.Model:
    return open_space(name).build(fixed_hyperparameters(values), images)


def kinds(model: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def without_name(optimizer: keras.optimizers.Optimizer) -> dict[str, object]:
    return {key: value for key, value in optimizer.get_config().items() if key != "name"}


# Weights, those of them that are trained, optimizer, learning rate, batch size and loss.
@pytest.mark.parametrize(
    ("name", "n_weights", "n_trainable", "training"),
    [
        ("kmnist-report-mlp", 89_610, 89_610, ("Adagrad", 0.01, 32, "categorical_crossentropy")),
        ("kmnist-report-cnn", 540_298, 540_298, ("Adam", 0.001, 32, "categorical_crossentropy")),
        ("kmnist-report-resnet34", 21_300_554, 21_283_530, ("Adam", 0.01, 32, "categorical_crossentropy")),
        ("digit-recognizer-cnn", 876_618, 876_618, ("Adam", 0.001, 256, "sparse_categorical_crossentropy")),
        ("recognizing-digits-ann", 473_631, 473_631, ("Adam", 0.001, 32, "categorical_crossentropy")),
        ("recognizing-digits-first-cnn", 93_222, 93_222, ("Adam", 0.001, 32, "categorical_crossentropy")),
        ("recognizing-digits-cnn", 499_378, 492_446, ("Adam", 0.01, 256, "categorical_crossentropy")),
        ("mnist-997-cnn", 1_245_322, 1_244_426, ("Adam", 0.001, 64, "categorical_crossentropy")),
    ],
)
def test_a_recipes_defaults_are_what_was_trained(
    name: str, n_weights: int, n_trainable: int, training: tuple[str, float, int, str]
) -> None:
    hp = fixed_hyperparameters({})

    model = open_space(name).build(hp, MNIST)

    assert model.count_params() == n_weights
    assert sum(weight.shape.num_elements() for weight in model.trainable_variables) == n_trainable
    optimizer, learning_rate, batch_size, loss = training
    assert type(model.optimizer).__name__ == optimizer
    assert float(model.optimizer.learning_rate.value) == pytest.approx(learning_rate)
    assert (hp.values["batch_size"], model.loss.name) == (batch_size, loss)
    initializers = {
        layer.kernel_initializer.__class__.__name__ for layer in model.layers if hasattr(layer, "kernel_initializer")
    }
    final_cnn = name == "recognizing-digits-cnn"
    assert initializers == ({"GlorotUniform", "RandomUniform"} if final_cnn else {"GlorotUniform"})


def test_the_counts_are_those_that_the_command_line_shows() -> None:
    assert all(
        f"{n_weights:,} weights" in RECIPES[name]
        for name, n_weights in [("kmnist-report-cnn", 540_298), ("recognizing-digits-cnn", 499_378)]
    )


@pytest.mark.parametrize("name", SMALL)
def test_every_hyperparameter_says_what_it_is_for_and_no_other_is_explained(name: str, digits: ImageFormat) -> None:
    space = open_space(name)

    assert {parameter.name for parameter in declare_hyperparameters(space, digits)} == set(space.help)


@pytest.mark.parametrize("name", SMALL)
def test_random_draws_build_for_small_and_coloured_pictures_and_are_rebuilt_from_what_they_stored(
    name: str, digits: ImageFormat
) -> None:
    space = open_space(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for images in (digits, COLOUR, digits):
        hp = OptunaHyperParameters(study.ask())
        model = space.build(hp, images)

        rebuilt = space.build(fixed_hyperparameters(hp.values), images)

        assert [weight.shape for weight in rebuilt.weights] == [weight.shape for weight in model.weights]
        assert without_name(rebuilt.optimizer) == without_name(model.optimizer)
        assert rebuilt.loss.get_config() == model.loss.get_config()


def test_the_kmnist_cnn_has_the_dense_layers_that_were_meant_on_request() -> None:
    trained, meant = build("kmnist-report-cnn"), build("kmnist-report-cnn", dense_layers=2)

    assert kinds(trained)[-4:] == ["Flatten", "Dropout", "Dropout", "Dense"]
    assert kinds(meant)[-6:] == ["Flatten", "Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert meant.count_params() == 821_194


def test_the_digit_recognizer_ends_in_sigmoids_unless_softmax_is_chosen() -> None:
    pictures = np.random.default_rng(0).random((4, 28, 28, 1), dtype=np.float32)

    sigmoids, softmax = build("digit-recognizer-cnn"), build("digit-recognizer-cnn", output="softmax")

    assert np.abs(sigmoids.predict_on_batch(pictures).sum(axis=1) - 1).min() > 1
    np.testing.assert_allclose(softmax.predict_on_batch(pictures).sum(axis=1), 1, rtol=1e-5)
    slopes = {layer.negative_slope for layer in sigmoids.layers if isinstance(layer, keras.layers.LeakyReLU)}
    assert slopes == {0.3}


def test_the_ann_sees_pixels_between_minus_and_plus_a_half() -> None:
    model = build("recognizing-digits-ann")
    rescaling = next(layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling))

    scaled = keras.ops.convert_to_numpy(rescaling(np.array([[0.0, 1.0]], np.float32)))

    np.testing.assert_allclose(scaled, [[-0.5, 0.5]])


@pytest.mark.parametrize(
    ("optimizer", "learning_rate"),
    [("rmsprop", 0.01), ("nadam", 0.01), ("adam", 0.01), ("sgd", 0.1), ("adagrad", 0.1), ("adadelta", 1.0)],
)
def test_each_optimizer_of_the_comparison_has_the_rate_that_the_report_found_best(
    optimizer: str, learning_rate: float, digits: ImageFormat
) -> None:
    model = build("recognizing-digits-cnn", digits, optimizer=optimizer)

    assert type(model.optimizer).__name__.lower() == optimizer
    assert float(model.optimizer.learning_rate.value) == pytest.approx(learning_rate)
    assert not getattr(model.optimizer, "momentum", 0)


def test_the_final_cnn_normalizes_in_the_four_places_that_its_summary_has() -> None:
    layers = kinds(build("recognizing-digits-cnn"))

    block = ["Conv2D", "LeakyReLU", "MaxPooling2D", "Dropout"]
    dense = ["Dense", "BatchNormalization", "ReLU", "Dropout", "BatchNormalization"]
    end = ["Dense", "BatchNormalization", "Activation"]
    assert layers == ["InputLayer", *block, *block, "Flatten", "BatchNormalization", *dense, *end]


def test_the_net_of_0997_has_kernels_of_7_5_and_3_pixels_and_normalizes_after_pooling() -> None:
    model = build("mnist-997-cnn")

    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(layer.filters, layer.kernel_size[0]) for layer in convolutions] == [(64, 7), (128, 5), (128, 3), (256, 3)]
    places = [place for place, kind in enumerate(kinds(model)) if kind == "BatchNormalization"]
    assert [kinds(model)[place - 1] for place in places] == ["MaxPooling2D"] * 3


def test_an_optimizer_that_there_is_not_is_refused_with_those_that_there_are(digits: ImageFormat) -> None:
    with pytest.raises(BuilderError, match="Received optimizer = 'adma', expected one of adam, adamw"):
        build("digit-recognizer-cnn", digits, optimizer="adma")


def test_ten_sigmoids_are_trained_divided_by_their_sum_as_in_the_reports_keras() -> None:
    model = build("digit-recognizer-cnn")
    images, classes = np.random.default_rng(0).random((4, 28, 28, 1), np.float32), np.array([0, 3, 5, 9])

    sigmoids = model(images)

    shares = np.asarray(sigmoids) / np.asarray(sigmoids).sum(axis=1, keepdims=True)
    expected = -np.log(shares[np.arange(4), classes]).mean()
    assert float(model.compute_loss(images, classes, sigmoids)) == pytest.approx(expected, rel=1e-5)
