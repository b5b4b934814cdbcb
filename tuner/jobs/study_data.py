"""The images that a study's jobs train on: read and divided once a machine, mapped once a process."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.image_cache import ImageCache, Parts
from tuner.datasets.pixel_decision import PixelSettings
from tuner.datasets.pixel_meaning import PixelMeaning
from tuner.datasets.splits import split_stratified, take_stratified
from tuner.errors import TunerError
from tuner.studies.definition import StudyDefinition
from tuner.training.plan import TrainingData


class DataUnavailableError(TunerError):
    """This machine cannot read a study's dataset; another one may, so that no slot fails for it."""


class DataChangedError(DataUnavailableError):
    """The dataset is not the one that the study was created with."""

    def __init__(self, dataset: str, *, is_pixels_known: bool) -> None:
        reading = (
            ""
            if is_pixels_known
            else ", or this version reads its pixels otherwise than the version 0.1.0 that created the study: see what "
            f"`tuner dataset show {dataset}` says of them"
        )
        super().__init__(
            f"The dataset {dataset!r} has other content than when the study was created{reading}. "
            "Put the old files back, or create a new study."
        )


@dataclass(frozen=True, kw_only=True)
class DataPlaces:
    """Where this machine has its images."""

    #: One folder for each dataset of the catalogue.
    data_dir: Path
    #: What was read of them, divided for studies.
    cache_dir: Path


@dataclass(frozen=True, kw_only=True)
class _Division:
    """Which images of which dataset; equal divisions give equal images."""

    dataset: str
    resize: tuple[int, int] | None
    pixels: PixelMeaning | PixelSettings
    #: Content hash of the whole training part.
    data_sha256: str
    seed: int
    #: None: nothing is held out.
    validation_fraction: float | None
    #: None: all that are not held out.
    train_images: int | None

    @property
    def key(self) -> str:
        """The division's name in the cache; it begins with the content hash."""
        held_out = f"seed-{self.seed}-validation-{self.validation_fraction}-train-{self.train_images or 'rest'}"
        return f"{self.data_sha256}-{'all' if self.validation_fraction is None else held_out}"

    def read(self, data_dir: Path) -> Parts:
        try:
            dataset = open_dataset(self.dataset, data_dir=data_dir, resize=self.resize, pixels=self.pixels)
            images = dataset.load_train()
        except TunerError as error:
            raise DataUnavailableError(str(error)) from error
        if images.content_hash() != self.data_sha256:
            raise DataChangedError(self.dataset, is_pixels_known=isinstance(self.pixels, PixelMeaning))
        if self.validation_fraction is None:
            return {"train": images}
        split = split_stratified(images, validation_fraction=self.validation_fraction, seed=self.seed)
        train = split.train
        if self.train_images is not None and self.train_images < len(train):
            train = take_stratified(train, n_images=self.train_images, seed=self.seed)
        return {"train": train, "validation": split.validation}


def study_pixels(pixels: Mapping[str, Any] | None) -> PixelMeaning | PixelSettings:
    """Return what a study has stored of its pixels.

    Studies of version 0.1.0 have stored nothing, nor have they settings: their images are looked at again, and the
    study's content hash tells where they are read otherwise now.
    """
    return PixelSettings(unclear_as_before=True) if pixels is None else PixelMeaning.from_json(pixels)


def load_search_data(
    definition: StudyDefinition, *, data_sha256: str, pixels: Mapping[str, Any] | None, places: DataPlaces
) -> TrainingData:
    """Return what the search and the confirmation train on and score with.

    Args:
        definition: The study's.
        data_sha256: Content hash of the images that the study was created with.
        pixels: What the study has stored of them.
        places: Where this machine has its images.

    Raises:
        DataUnavailableError: The files are missing, broken or not those that the study was created with.
    """
    return _load(_divide(definition, data_sha256, pixels), places)


def load_final_data(
    definition: StudyDefinition, *, data_sha256: str, pixels: Mapping[str, Any] | None, places: DataPlaces
) -> TrainingData:
    """Return what finals are retrained on: all of train, with validation or as part of it.

    Args:
        definition: As in `load_search_data`.
        data_sha256: As in `load_search_data`.
        pixels: As in `load_search_data`.
        places: As in `load_search_data`.

    Raises:
        DataUnavailableError: The files are missing, broken or not those that the study was created with.
    """
    division = replace(_divide(definition, data_sha256, pixels), train_images=None)
    if definition.finals.train_on == "train+validation":
        division = replace(division, validation_fraction=None)
    return _load(division, places)


def load_data_for_own_fit(
    definition: StudyDefinition, *, data_sha256: str, pixels: Mapping[str, Any] | None, places: DataPlaces
) -> TrainingData:
    """Return what finals give a `fit` that a person wrote: all of train, and the validation set to measure on.

    Such a `fit` reads its validation data as it likes, so it has them here as in the search.

    Raises:
        DataUnavailableError: The files are missing, broken or not those that the study was created with.
    """
    return _load(replace(_divide(definition, data_sha256, pixels), train_images=None), places)


def _divide(definition: StudyDefinition, data_sha256: str, pixels: Mapping[str, Any] | None) -> _Division:
    """Return how the search divides the images."""
    return _Division(
        dataset=definition.dataset,
        resize=definition.data.resize,
        pixels=study_pixels(pixels),
        data_sha256=data_sha256,
        seed=definition.seed,
        validation_fraction=definition.data.validation_fraction,
        train_images=definition.search.train_images,
    )


@lru_cache(maxsize=2)
def _load(division: _Division, places: DataPlaces) -> TrainingData:
    parts = ImageCache(places.cache_dir).load(division.key, lambda: division.read(places.data_dir))
    return TrainingData(train=parts["train"], validation=parts.get("validation"))
