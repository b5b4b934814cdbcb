"""The suite that every family passes; a new one is tested by being listed. Recipes have `test_recipes`."""

import keras
import numpy as np
import optuna
import pytest

from tuner.datasets.images import ImageFormat
from tuner.jobs.hyperparameters.hp import OptunaHyperParameters
from tuner.spaces import pretrained
from tuner.spaces.declared import declare_hyperparameters
from tuner.spaces.registry import FAMILIES, fixed_hyperparameters, open_space

# One draw in two would be a ResNet-34 of 21 million weights; it and ResNet-20 are built once in `test_families`.
SMALL = {"resnet": {"variant": "preact", "blocks": 1}}
FORMATS = {
    "8x8x1": ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789")),
    "28x28x1": ImageFormat(height=28, width=28, channels=1, class_names=tuple("0123456789")),
}
COLOUR = ImageFormat(height=32, width=32, channels=3, class_names=("cat", "dog", "frog"))

every_space = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture(autouse=True)
def _small_pretrained_net(monkeypatch: pytest.MonkeyPatch) -> None:
    # Built in a fifth of the time of those that it stands for.
    monkeypatch.setattr(pretrained, "SMALL_APPLICATIONS", ("MobileNet-0.25",))


@every_space
@pytest.mark.parametrize("images", [*FORMATS.values(), COLOUR], ids=[*FORMATS, "32x32x3"])
def test_the_default_model_turns_pictures_into_probabilities(name: str, images: ImageFormat) -> None:
    model = open_space(name).build(fixed_hyperparameters({}), images)

    # Called directly: to trace a prediction takes longer than two pictures.
    answers = model(np.random.default_rng(0).random((2, *images.shape), dtype=np.float32), training=False)
    probabilities = keras.ops.convert_to_numpy(answers)

    assert probabilities.shape == (2, images.n_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@every_space
def test_random_draws_build_and_are_rebuilt_from_what_they_stored(name: str) -> None:
    space = open_space(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for images in (1 if name == "pretrained" else 5) * [*FORMATS.values()]:
        hp = OptunaHyperParameters(study.ask(), fixed=SMALL.get(name))
        model = space.build(hp, images)

        rebuilt = space.build(fixed_hyperparameters(hp.values), images)

        assert architecture(rebuilt) == architecture(model)
        assert settings(rebuilt.optimizer) == settings(model.optimizer)
        assert rebuilt.loss.get_config() == model.loss.get_config()


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        # A frozen body has nothing to learn here; see `test_pretrained`.
        *((name, "categorical_crossentropy") for name in FAMILIES if name != "pretrained"),
        ("mlp", "sparse_categorical_crossentropy"),
        ("mlp", "kl_divergence"),
    ],
)
def test_it_learns_a_trivial_task_in_few_steps(name: str, loss: str, digits: ImageFormat) -> None:
    keras.utils.set_random_seed(0)
    labels = np.arange(64) % 10
    # Class c is a picture whose first c + 1 columns, counted on through the rows, are white.
    images = (np.arange(64).reshape(8, 8, 1) < 6 * (labels[:, None, None, None] + 1)).astype(np.float32)
    fixed = {"loss": loss, "blocks": 1, "dropout": 0.0, "block_dropout": 0.0}
    model = open_space(name).build(fixed_hyperparameters(fixed), digits)
    targets = labels if "sparse" in model.loss.name else keras.utils.to_categorical(labels, 10)

    accuracies = []
    for _ in range(40):
        # Not by `fit`, an epoch of which takes ten times as long as its one step.
        model.reset_metrics()
        accuracies.append(float(model.train_on_batch(images, targets)[1]))

    assert max(accuracies) == 1.0


@every_space
def test_every_hyperparameter_says_what_it_is_for_and_no_other_is_explained(name: str, digits: ImageFormat) -> None:
    space = open_space(name)

    declared = {parameter.name for parameter in declare_hyperparameters(space, digits)}

    assert declared == set(space.help)


@every_space
def test_training_is_told_the_batch_size_and_may_change_the_learning_rate(name: str, digits: ImageFormat) -> None:
    hp = fixed_hyperparameters({})

    model = open_space(name).build(hp, digits)

    assert hp.values["batch_size"] in {16, 32, 64, 128, 256, 512}
    assert isinstance(model.optimizer.learning_rate, keras.Variable)


def architecture(model: keras.Model) -> list[object]:
    """Return each layer's kind, settings and weight shapes."""
    return [
        (type(layer).__name__, settings(layer), [tuple(weight.shape) for weight in layer.weights])
        for layer in model.layers
    ]


def settings(thing: keras.layers.Layer | keras.optimizers.Optimizer) -> dict[str, object]:
    """Return the configuration without the name, in which Keras counts."""
    return {key: value for key, value in thing.get_config().items() if key != "name"}
