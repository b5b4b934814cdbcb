"""The images that a study's jobs train on, read and split once a process."""

from functools import lru_cache
from pathlib import Path

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import LabelledImages
from tuner.datasets.splits import Split, split_stratified, take_stratified
from tuner.errors import TunerError
from tuner.studies.definition import StudyDefinition
from tuner.training.plan import TrainingData


class DataUnavailableError(TunerError):
    """This machine cannot read a study's dataset; another one may, so that no slot fails for it."""


class DataChangedError(DataUnavailableError):
    """The dataset is not the one that the study was created with."""

    def __init__(self, definition: StudyDefinition) -> None:
        super().__init__(
            f"The dataset {definition.dataset!r} has other content than when study {definition.name!r} was created. "
            "Put the old files back, or create a new study."
        )


def load_search_data(definition: StudyDefinition, *, data_dir: Path, data_sha256: str) -> TrainingData:
    """Return what the search and the confirmation train on and score with.

    Raises:
        DataUnavailableError: The files are missing, broken or not those that the study was created with.
    """
    split = _split(definition, data_dir, data_sha256)
    train = split.train
    n_images = definition.search.train_images
    if n_images is not None and n_images < len(train):
        train = take_stratified(train, n_images=n_images, seed=definition.seed)
    return TrainingData(train=train, validation=split.validation)


def load_final_data(definition: StudyDefinition, *, data_dir: Path, data_sha256: str) -> TrainingData:
    """Return what finals are retrained on: all of train, with validation or as part of it.

    Raises:
        DataUnavailableError: The files are missing, broken or not those that the study was created with.
    """
    if definition.finals.train_on == "train+validation":
        return TrainingData(train=_load(definition, data_dir, data_sha256), validation=None)
    split = _split(definition, data_dir, data_sha256)
    return TrainingData(train=split.train, validation=split.validation)


def _load(definition: StudyDefinition, data_dir: Path, data_sha256: str) -> LabelledImages:
    images, content_hash = _read(definition.dataset, definition.data.resize, data_dir)
    if content_hash != data_sha256:
        raise DataChangedError(definition)
    return images


def _split(definition: StudyDefinition, data_dir: Path, data_sha256: str) -> Split:
    images = _load(definition, data_dir, data_sha256)
    return split_stratified(images, validation_fraction=definition.data.validation_fraction, seed=definition.seed)


@lru_cache(maxsize=1)
def _read(dataset: str, resize: tuple[int, int] | None, data_dir: Path) -> tuple[LabelledImages, str]:
    try:
        images = open_dataset(dataset, data_dir=data_dir, resize=resize).load_train()
    except TunerError as error:
        raise DataUnavailableError(str(error)) from error
    return images, images.content_hash()
