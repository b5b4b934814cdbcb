"""Bundles to export, and what a person does with what was exported."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import Bundle, BundleDescription, HowTrained, Provenance, read_bundle
from tuner.bundles.model import write_bundle
from tuner.datasets.images import ImageFormat
from tuner.spaces.registry import fixed_hyperparameters, open_space
from tuner.training_settings import Annealing, Augmentation, Training

DIGITS = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))
SMALL_CNN = {"blocks": 1, "convolutions": 1, "filters": 8, "dense_units": 16, "learning_rate": 0.01}

#: A builder with a layer of its own and logits.
OWN_BUILDER = """
import keras

class Doubled(keras.layers.Layer):
    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}

def build(hp, images):
    dense = keras.layers.Dense(hp.Int("units", 4, 8)), keras.layers.Dense(images.n_classes)
    model = keras.Sequential([keras.Input(images.shape), keras.layers.Flatten(), Doubled(3.0), *dense])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model
"""


def digit_images() -> tuple[np.ndarray, np.ndarray]:
    """Return 64 of scikit-learn's digits as models see them, uint8, shape (64, 8, 8, 1), and their classes."""
    images, labels = load_digits(return_X_y=True)
    return np.rint(images[:64].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8), labels[:64]


def how_trained(**changes: Any) -> HowTrained:
    regime = {
        "augmentation": Augmentation.only().model_dump(mode="json"),
        "annealing": None,
        "training": Training().model_dump(mode="json"),
    }
    facts = {
        "dataset": "digits", "train_on": "train+validation", "n_train": 1438, "n_test": 359, "epochs": 6,
        "score_name": "validation accuracy", "score": 0.97, "kept_epoch": 6, "batch_size": 32, "starts_from": None,
        "has_own_fit": False,
    }  # fmt: skip
    return HowTrained.model_validate({**facts, **regime, **changes})


def every_regime() -> dict[str, Any]:
    """Return a regime that has something of everything."""
    return {
        "augmentation": Augmentation(brightness=0.1, contrast=0.1, cutout=0.2, mixup=0.2).model_dump(mode="json"),
        "annealing": Annealing(rule="cosine").model_dump(mode="json"),
        "training": Training(label_smoothing=0.1, weight_decay=0.01, ema_momentum=0.9).model_dump(mode="json"),
    }


def make_bundle(
    folder: Path,
    space: str = "cnn",
    hyperparameters: dict[str, Any] | None = None,
    *,
    name: str = "a",
    seed: int = 0,
    training: HowTrained | None = None,
    is_trained: bool = True,
) -> Bundle:
    """Store the bundle of a model that was trained for a moment, or not at all, and read it again."""
    description = BundleDescription(
        space=space,
        hyperparameters=SMALL_CNN if hyperparameters is None else hyperparameters,
        images=DIGITS,
        provenance=Provenance(
            study="digits", trial=7, rank=1, seed=seed, test_accuracy=0.9749, versions={"keras": keras.__version__},
            data_sha256="0" * 64,
        ),
        training=training or how_trained(),
    )  # fmt: skip
    keras.utils.set_random_seed(seed)
    opened = open_space(space)
    model = opened.build(fixed_hyperparameters(description.hyperparameters), DIGITS)
    if is_trained:
        images, labels = digit_images()
        targets = labels if "Sparse" in type(model.loss).__name__ else keras.utils.to_categorical(labels, 10)
        # So that batch normalization has statistics of its own.
        model.train_on_batch(images / np.float32(255), targets)
    store = ArtifactStore(str(folder / "store"))
    write_bundle(store, f"{name}.bundle", model, description, sources=opened.sources)
    return read_bundle(store.location(f"{name}.bundle"))


def follow_card(card: Path) -> dict[str, Any]:
    """Run the lines of Python in a card, in the current folder, and return what they have defined."""
    lines = card.read_text().partition("```python\n")[2].partition("```")[0]
    defined: dict[str, Any] = {}
    with warnings.catch_warnings():
        # TensorFlow announces the end of its interpreter of LiteRT.
        warnings.filterwarnings("ignore", "(?s).*Interpreter is deprecated")
        exec(lines, defined)  # noqa: S102 - the card's own
    return defined
