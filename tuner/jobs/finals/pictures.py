"""Make the pictures of images, their augmentation and a model's layers that reports and pages show."""

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.bundles.inspection import look_inside, shrink
from tuner.bundles.looked_at import first_of_each_class
from tuner.bundles.study_pictures import DataPictures, StudyPictures
from tuner.datasets.division.splits import split_stratified
from tuner.datasets.images import LabelledImages
from tuner.studies.sections.data import DataSection
from tuner.training.augmented_examples import augment_examples
from tuner.training.plan import TrainingData
from tuner.training_settings import Augmentation

#: Sample images of a class, and of all classes together.
_PER_CLASS, _MOST_SAMPLES = 8, 80
#: Images that are shown augmented, and how often.
_N_AUGMENTED, _N_VERSIONS = 8, 6
#: Images that are shown to the layers, and what is drawn of them.
_N_LOOKED_AT, _MAX_LAYERS, _MAX_MAPS = 3, 8, 16


def make_study_pictures(
    model: keras.Model,
    data: TrainingData,
    *,
    test_labels: NDArray[np.int64],
    augmentation: Augmentation | None,
    seed: int,
) -> StudyPictures:
    """Return pictures of a study's training images and of what a retrained model sees of some.

    Args:
        model: Retrained.
        data: As in `make_data_pictures`.
        test_labels: As in `make_data_pictures`.
        augmentation: As the model was trained.
        seed: As in `make_data_pictures`.
    """
    looked_at = data.train.take(first_of_each_class(data.train)[:_N_LOOKED_AT])
    return StudyPictures(
        data=make_data_pictures(data, test_labels=test_labels, augmentation=augmentation, seed=seed),
        layers=look_inside(model, looked_at.images, max_layers=_MAX_LAYERS, max_maps=_MAX_MAPS),
        layer_names=tuple(f"training image of class {looked_at.class_names[label]}" for label in looked_at.labels),
    )


def make_data_pictures(
    data: TrainingData, *, test_labels: NDArray[np.int64] | None, augmentation: Augmentation | None, seed: int
) -> DataPictures:
    """Return pictures of training images; of test images only their number.

    Args:
        data: The images to train on and to validate on.
        test_labels: int64, shape (n,): of the test images, which are counted; None where the test set stays closed.
        augmentation: What is shown; None for none.
        seed: Of the augmentation's draws; not negative.
    """
    train = data.train
    labels = {
        "train": train.labels,
        "validation": None if data.validation is None else data.validation.labels,
        "test": test_labels,
    }
    samples = train.take(_choose_samples(train))
    originals = augmented = None
    if augmentation is not None:
        few = train.take(first_of_each_class(train)[:_N_AUGMENTED])
        changed = augment_examples(few, augmentation, n_versions=_N_VERSIONS, seed=seed)
        originals = np.stack([shrink(image) for image in few.images])
        augmented = np.stack([np.stack([shrink(one) for one in versions]) for versions in changed])
    return DataPictures(
        class_counts={
            part: tuple(np.bincount(of_part, minlength=len(train.class_names)).tolist())
            for part, of_part in labels.items()
            if of_part is not None
        },
        sample_images=np.stack([shrink(image) for image in samples.images]),
        sample_labels=samples.labels,
        originals=originals,
        augmented=augmented,
    )


def draw_dataset(images: LabelledImages) -> DataPictures:
    """Return pictures of training images as a study with the default settings divides and augments them.

    Raises:
        SplitError: A class has too few images to be divided.
    """
    data = DataSection()
    split = split_stratified(images, validation_fraction=data.validation_fraction, seed=0)
    return make_data_pictures(
        TrainingData(train=split.train, validation=split.validation),
        test_labels=None,
        augmentation=Augmentation(),
        seed=0,
    )


def _choose_samples(images: LabelledImages) -> NDArray[np.intp]:
    """Return indices of some images of the first classes, those of a class taken evenly from all of it."""
    n_each = max(1, min(_PER_CLASS, _MOST_SAMPLES // len(images.class_names)))
    chosen: list[int] = []
    for label in range(min(len(images.class_names), _MOST_SAMPLES)):
        members = np.flatnonzero(images.labels == label)
        places = np.linspace(0, len(members) - 1, min(n_each, len(members)))
        chosen += members[places.round().astype(int)].tolist()
    return np.asarray(chosen, np.intp)
