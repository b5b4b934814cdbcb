"""`data.images`: a model that scales by itself learns from 0 to 255 what another one learns from 0 to 1."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits
from support.objectives import ACCURACY

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import BundleDescription, Provenance, preprocessing_for, read_bundle
from tuner.bundles.model import write_bundle
from tuner.datasets.images import LabelledImages
from tuner.image_ranges import ImageRange, mark_range, range_of, white_of
from tuner.jobs.fitting.fit import FitRequest, Fitted, fit
from tuner.jobs.fitting.setup import TrainingSetup
from tuner.jobs.study.space import open_definition_space
from tuner.spaces.registry import fixed_hyperparameters
from tuner.spaces.space import Space
from tuner.studies.definitions.making import make_definition
from tuner.training.initial_weights import InitialWeights, take_weights
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.predictions import predict_probabilities
from tuner.training_settings import Augmentation

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def digits() -> TrainingData:
    bunch = load_digits()
    images = (bunch.images * 255 / 16).astype(np.uint8)[..., None]
    everything = LabelledImages(images=images, labels=bunch.target.astype(np.int64), class_names=tuple("0123456789"))
    return TrainingData(train=everything.take(np.arange(64)), validation=everything.take(np.arange(64, 96)))


def train(
    data: TrainingData,
    image_range: ImageRange,
    *,
    eagerly: bool = False,
    own_fit: Any = None,
    augmentation: Augmentation | None = None,
) -> Fitted:
    """Train a net that scales by itself what is in 0 to 255; both kinds have equal weights."""
    first = [layers.Rescaling(1 / 255)] if image_range == "uint8-range" else []

    def build(_hp: Any, _images: Any) -> Any:
        model = keras.Sequential([layers.Input((8, 8, 1)), *first, layers.Flatten(), layers.Dense(10, "softmax")])
        model.compile(
            optimizer=keras.optimizers.SGD(0.1),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            run_eagerly=eagerly,
        )
        mark_range(model, image_range)
        return model

    space = Space(name="own:build", description="", build=build, fit=own_fit, help={})
    plan = TrainingPlan(epochs=2, seed=3, batch_size=32, augmentation=augmentation)
    return fit(
        TrainingSetup(space=space, objective=ACCURACY),
        FitRequest(hyperparameters=fixed_hyperparameters({}), data=data, plan=plan, on_epoch=lambda _: None),
    )


def pass_on(_hp: Any, model: Any, *arguments: Any, **named: Any) -> Any:
    return model.fit(*arguments, **named)


def split_by_hand(_hp: Any, model: Any, x: Any, y: Any, *, validation_data: Any, callbacks: Any, epochs: int) -> Any:
    assert x.max() > 1
    return model.fit(x[:48], y[:48], validation_data=validation_data, callbacks=callbacks, epochs=epochs, verbose=0)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"eagerly": True},
        {"own_fit": pass_on},
        {"augmentation": Augmentation(rotation=20, shift=0.1, brightness=0.2, contrast=0.2, cutout=0.3)},
        {"eagerly": True, "augmentation": Augmentation(rotation=20, brightness=0.2)},
    ],
    ids=["program", "keras", "own-fit", "augmented", "keras-augmented"],
)
def test_both_ranges_train_alike(digits: TrainingData, how: dict[str, Any]) -> None:
    unit, wide = (train(digits, image_range, **how) for image_range in ("unit-range", "uint8-range"))

    for one, other in zip(unit.epochs, wide.epochs, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.val_loss == pytest.approx(other.val_loss, rel=1e-4)
    probabilities = [predict_probabilities(fitted.model, digits.train.images) for fitted in (unit, wide)]
    np.testing.assert_allclose(*probabilities, atol=1e-4)


def test_a_loop_of_ones_own_is_given_images_in_the_studys_range(digits: TrainingData) -> None:
    assert train(digits, "uint8-range", own_fit=split_by_hand).epochs[-1].val_accuracy is not None


def test_a_bundle_predicts_in_the_range_that_its_model_learned(digits: TrainingData, tmp_path: Path) -> None:
    definition = make_definition(space="mlp", dataset="digits", overrides=["data.images=uint8-range"])
    space = open_definition_space(definition)
    values = fixed_hyperparameters({})
    model = space.build(values, digits.train.image_format)
    description = BundleDescription(
        space="mlp",
        hyperparameters=values.values,
        images=digits.train.image_format,
        image_range=definition.data.images,
        preprocessing=preprocessing_for(definition.data.images),
        provenance=Provenance(study="s", trial=0, rank=1, seed=0, test_accuracy=None, versions={}, data_sha256=""),
    )
    write_bundle(ArtifactStore(str(tmp_path)), "x.bundle", model, description)

    read = read_bundle(tmp_path / "x.bundle")
    rebuilt = read.build_model()

    assert (range_of(model), range_of(rebuilt), white_of(rebuilt)) == ("uint8-range", "uint8-range", 255)
    assert read.description.preprocessing[-1] == "uint8 as float32 in [0, 255]"
    images = digits.train.images
    np.testing.assert_allclose(predict_probabilities(rebuilt, images), predict_probabilities(model, images))


def test_weights_of_a_model_of_the_other_range_are_told(digits: TrainingData) -> None:
    model = train(digits, "unit-range", eagerly=True).model
    paths, values = [weight.path for weight in model.weights], [np.asarray(each) for each in model.get_weights()]

    def tell(image_range: ImageRange | None) -> str:
        weights = InitialWeights(origin="b", paths=tuple(paths), values=tuple(values), image_range=image_range)
        return take_weights(model, weights, steps_per_epoch=1)

    assert "That model took its images in the uint8-range" in tell("uint8-range")
    assert "image" not in tell("unit-range") + tell(None)
