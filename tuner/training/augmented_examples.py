"""Some images as an augmentation changes them, to be looked at."""

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages
from tuner.training.augmentation import Augmenter
from tuner.training.epoch_draws import draw_epoch
from tuner.training.plan import TrainingPlan
from tuner.training.targets import encode_targets
from tuner.training_settings import Augmentation


def augment_examples(
    images: LabelledImages, augmentation: Augmentation, *, n_versions: int, seed: int
) -> NDArray[np.uint8]:
    """Return each image as it would be shown in some epochs; where images are mixed, with the others given.

    Args:
        images: A few.
        augmentation: The changes.
        n_versions: Epochs, each with draws of its own.
        seed: Not negative.

    Returns:
        uint8, shape (n, n_versions, height, width, channels).
    """
    plan = TrainingPlan(epochs=n_versions, batch_size=len(images), seed=seed, augmentation=augmentation, shuffle=False)
    shape = images.image_format.shape
    augmenter = Augmenter(augmentation, shape)
    targets = encode_targets(images.labels, len(images.class_names), "one-hot")
    versions = []
    for epoch in range(1, n_versions + 1):
        draws = draw_epoch(plan, epoch=epoch, n_images=len(images), image_shape=shape, learning_rates=None)
        pictures, _ = augmenter(images.images, [keras.ops.convert_to_tensor(targets)], draws.images)
        versions.append(np.asarray(keras.ops.convert_to_numpy(pictures)))
    stacked = np.stack(versions, axis=1)
    return np.asarray(np.rint(np.clip(stacked, 0, 1) * 255), np.uint8)
