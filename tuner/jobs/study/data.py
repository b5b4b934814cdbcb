"""The images that a study's jobs train on, read and divided once per machine, and mapped once per process."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Self

from tuner.datasets.catalogue import Dataset, open_dataset
from tuner.datasets.division.folds import FoldedImages, divide_into_folds
from tuner.datasets.division.splits import draw_stratified, split_stratified, take_stratified
from tuner.datasets.image_cache import ImageCache, Parts
from tuner.datasets.images import LabelledImages
from tuner.datasets.pictures.progress import tell_decoding
from tuner.datasets.pixels.decision import PixelSettings
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.reading import DecodedPictures, ReadingSettings
from tuner.errors import TunerError
from tuner.plain_values import StoredPixels
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.lifecycle import Study
from tuner.training.plan import Part, TrainingData

#: Key of a study's provenance: content hash of its test part. Studies that were created without finals, without a
#: check, or by an earlier version get one when their first model is tested.
TEST_SHA256 = "test_sha256"


class DataUnavailableError(TunerError):
    """This machine cannot read a study's dataset; slots do not fail for this, because another machine may read it."""


class DataChangedError(DataUnavailableError):
    """The study was created with other data."""

    def __init__(self, dataset: str, *, is_pixels_known: bool) -> None:
        reading = (
            ""
            if is_pixels_known
            else ", or this version reads its pixels differently from version 0.1.0, which created the study: see "
            f"`tuner dataset show {dataset}`"
        )
        super().__init__(
            f"The content of dataset {dataset!r} has changed since the study was created{reading}. "
            "Put the old files back, or create a new study."
        )


class ChangedTestPartError(DataUnavailableError):
    """The test images are others than at the study's creation, or than those on which its models were tested."""

    def __init__(self, dataset: str) -> None:
        super().__init__(
            f"The test part of dataset {dataset!r} has changed since the study was created or its first model tested: "
            "its images, their order or their labels are others. Put the old files back, or create a new study."
        )


@dataclass(frozen=True, kw_only=True)
class DataPlaces:
    """The folders in which this machine has its images."""

    #: One folder for each dataset of the catalogue.
    data_dir: Path
    #: Cache of the images that were read and divided for studies.
    cache_dir: Path
    #: Where decoded pictures of folders are kept; None: nowhere.
    pictures_dir: Path | None = None

    @property
    def decoded(self) -> DecodedPictures:
        """Where decoded pictures are kept, with lines in the log as they are decoded."""
        return DecodedPictures(folder=self.pictures_dir, on_progress=tell_decoding())


def open_definition_dataset(definition: StudyDefinition, *, data_dir: Path, decoded: DecodedPictures) -> Dataset:
    """Open the dataset of a new definition; no image is read yet, and what its pixels mean is not decided.

    Args:
        definition: The definition.
        data_dir: See `DataPlaces`.
        decoded: Where decoded pictures are kept.

    Raises:
        TunerError: There is no such dataset.
    """
    data = definition.data
    reading = replace(data.reading, decoded=decoded)
    return open_dataset(definition.dataset, data_dir=data_dir, reading=reading, pixels=data.pixels)


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldsAtOnce:
    """The folds of a study, for models that are trained on several of them at once."""

    images: LabelledImages
    #: By fold, from 1: what a model is trained on that is measured on this fold, as rows of the images.
    parts: Mapping[int, Part]


@dataclass(frozen=True, kw_only=True)
class _SplitKey:
    """Identifies the images of a training run; equal keys and folds give equal images."""

    dataset: str
    reading: ReadingSettings
    pixels: PixelMeaning | PixelSettings
    #: Content hash of the whole training part.
    data_sha256: str
    seed: int
    #: None: no image is held out.
    validation_fraction: float | None
    #: None: one validation set instead of folds.
    folds: int | None
    #: None: all images that are not held out.
    train_images: int | None

    @property
    def cache_name(self) -> str:
        """The key's text in the cache, which begins with the content hash."""
        held_out = f"seed-{self.seed}-validation-{self.validation_fraction}-train-{self.train_images or 'rest'}"
        if self.folds:
            held_out = f"seed-{self.seed}-folds-{self.folds}"
        return f"{self.data_sha256}-{'all' if self.validation_fraction is None else held_out}"

    def read(self, places: DataPlaces) -> Parts:
        try:
            reading = replace(self.reading, decoded=places.decoded)
            dataset = open_dataset(self.dataset, data_dir=places.data_dir, reading=reading, pixels=self.pixels)
            images = self._check(dataset.load_train())
        except DataUnavailableError:
            raise
        except TunerError as error:
            raise DataUnavailableError(str(error)) from error
        return self.part(images)

    def part(self, images: LabelledImages) -> Parts:
        """Divide the images of a whole training part."""
        if self.validation_fraction is None:
            return {"train": images.divided()}
        if self.folds:
            return {"twice": divide_into_folds(images, n_folds=self.folds, seed=self.seed).twice}
        split = split_stratified(images, validation_fraction=self.validation_fraction, seed=self.seed)
        return {"train": self._take(split.train), "validation": split.validation}

    def _check(self, images: LabelledImages) -> LabelledImages:
        """Return the images that the study was created with: version 0.1.0 read no validation set of a dataset."""
        for candidate in (images, images.without_validation()):
            if candidate.content_hash() == self.data_sha256:
                return candidate
        raise DataChangedError(self.dataset, is_pixels_known=isinstance(self.pixels, PixelMeaning))

    def divide(self, parts: Parts, fold: int) -> TrainingData:
        """Return the images to train and to validate on; folds are views of what was read once."""
        if self.folds is None or self.validation_fraction is None:
            return TrainingData(train=parts["train"], validation=parts.get("validation"))
        split = FoldedImages(twice=parts["twice"], n_folds=self.folds).split(fold)
        return TrainingData(train=self._take(split.train), validation=split.validation)

    def divide_at_once(self, parts: Parts) -> FoldsAtOnce:
        """Return all folds, and which images each of them has."""
        folded = FoldedImages(twice=parts["twice"], n_folds=self.folds or 0)
        found = {}
        for fold in range(1, folded.n_folds + 1):
            train_rows, validation_rows = folded.rows(fold)
            train = folded.split(fold).train
            if self.train_images is not None and self.train_images < len(train):
                train_rows = train_rows[draw_stratified(train, n_images=self.train_images, seed=self.seed)]
            found[fold] = Part(data=self.divide(parts, fold), train_rows=train_rows, validation_rows=validation_rows)
        return FoldsAtOnce(images=folded.once, parts=found)

    def _take(self, train: LabelledImages) -> LabelledImages:
        """Return as many training images as the search has."""
        if self.train_images is None or self.train_images >= len(train):
            return train
        return take_stratified(train, n_images=self.train_images, seed=self.seed)


def keep_search_data(definition: StudyDefinition, images: LabelledImages, cache_dir: Path) -> None:
    """Write images that were read for a new study's check where the workers of this machine look for them.

    Args:
        definition: The study's definition.
        images: Its whole training part.
        cache_dir: See `DataPlaces`.
    """
    # The cache knows images by their content, not by what their pixels mean.
    key = _search_key(definition, images.content_hash(), None)
    ImageCache(cache_dir).load(key.cache_name, lambda: key.part(images))


def study_pixels(pixels: StoredPixels | None) -> PixelMeaning | PixelSettings:
    """Return the meaning of its pixels that a study has stored.

    Studies of version 0.1.0 have stored neither a meaning nor settings: their images are examined again, and the
    study's content hash shows if they are read differently now.
    """
    return PixelSettings(unclear_as_before=True) if pixels is None else PixelMeaning.from_json(pixels)


@dataclass(frozen=True, kw_only=True)
class StudyData:
    """The images of one study on this machine; equal ones are read once in a process.

    Each method raises `DataUnavailableError` if the files are missing, broken, or have changed since the study was
    created.
    """

    definition: StudyDefinition
    #: Content hash of the images that the study was created with.
    data_sha256: str
    #: The stored meaning of their pixels.
    pixels: StoredPixels | None
    places: DataPlaces

    @classmethod
    def of(cls, study: Study, places: DataPlaces) -> Self:
        """Return the images of a study in the database."""
        return cls(
            definition=study.definition,
            data_sha256=study.provenance["data_sha256"],
            pixels=study.pixels,
            places=places,
        )

    def load_for_search(self, fold: int = 1) -> TrainingData:
        """Return the images that search and confirmations train on and score with.

        Args:
            fold: Of a study with folds: which one validates, from 1.
        """
        return _load(self._key, self.places, fold)

    def load_folds(self) -> FoldsAtOnce:
        """Return all folds of a study that has them."""
        return _load_folds(self._key, self.places)

    def load_for_finals(self) -> TrainingData:
        """Return the images for retraining: all training images, with a separate validation set or including it.

        A study with folds has no validation set of its own; where one is asked for, it is fold 1.
        """
        key = replace(self._key, train_images=None)
        if self.definition.finals.train_on == "train+validation":
            key = replace(key, validation_fraction=None)
        return _load(key, self.places)

    def load_for_own_fit(self) -> TrainingData:
        """Return the images for retraining with the user's own `fit`: all training images, and the validation set.

        Such a `fit` may use validation data in any way, so it receives them as in the search; of folds it is the first.
        """
        return _load(replace(self._key, train_images=None), self.places)

    @property
    def _key(self) -> _SplitKey:
        return _search_key(self.definition, self.data_sha256, self.pixels)


def _search_key(definition: StudyDefinition, data_sha256: str, pixels: StoredPixels | None) -> _SplitKey:
    """Return the key of the search's images."""
    return _SplitKey(
        dataset=definition.dataset,
        reading=definition.data.reading,
        pixels=study_pixels(pixels),
        data_sha256=data_sha256,
        seed=definition.seed,
        validation_fraction=definition.data.validation_fraction,
        folds=definition.data.folds,
        train_images=definition.search.train_images,
    )


# The same object for equal arguments, so that a program that holds its images can be used again.
@lru_cache(maxsize=2)
def _load(key: _SplitKey, places: DataPlaces, fold: int = 1) -> TrainingData:
    return key.divide(_map(key, places), fold)


@lru_cache(maxsize=1)
def _load_folds(key: _SplitKey, places: DataPlaces) -> FoldsAtOnce:
    return key.divide_at_once(_map(key, places))


@lru_cache(maxsize=2)
def _map(key: _SplitKey, places: DataPlaces) -> Parts:
    return ImageCache(places.cache_dir).load(key.cache_name, lambda: key.read(places))
