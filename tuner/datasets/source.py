"""From the contents of files to labelled images: class indices, one format, pixels as training decided on them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.division.copies import count_copies, count_leaks
from tuner.datasets.division.given import NoGroupsError, count_shared_groups, mark_divisions
from tuner.datasets.formats.labels import index_by_name, index_by_number, name_classes
from tuner.datasets.images import ImageFormat, LabelledImages
from tuner.datasets.pixels.decision import PixelSettings, decide_pixels
from tuner.datasets.pixels.grey_colours import show_grey, to_grey
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.pixels.part_comparison import ReadPart, check_range_and_polarity, compare_parts
from tuner.datasets.pixels.polarity import shows_strokes
from tuner.datasets.pixels.range_decision import describe_clipping
from tuner.datasets.pixels.scaling import resize_images
from tuner.datasets.pixels.stored_range import BYTES, Range
from tuner.datasets.pixels.warnings import compare_classes
from tuner.datasets.reading import RawExamples, Reader, ReadingSettings, StoredImages, UnreadableDataError, listing
from tuner.plain_values import JSONObject

_log = logging.getLogger(__name__)

_MOST_NAMED = 5
_ONE_SIZE = "Give all images one size, or set `data.resize`."
#: Published images that spread over less than this share of their range have been scaled.
_LEAST_SPREAD = 1 / 8


@dataclass(frozen=True, kw_only=True)
class Conventions:
    """What the training and the test part of one dataset have in common."""

    image_format: ImageFormat
    #: Labels are class indices already, as in the catalogue; else they are class names.
    labels_are_indices: bool
    pixels: PixelMeaning


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingPart:
    """The labelled images of a training part, and what was decided about their pixels."""

    images: LabelledImages
    pixels: PixelMeaning
    #: What was guessed, and which setting decides it instead; and what else a person should know before a search.
    warnings: tuple[str, ...]

    def pixels_to_json(self) -> JSONObject:
        """Return what a study stores of its pixels: the meaning, and the warnings."""
        return self.pixels.to_json() | {"warnings": list(self.warnings)}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a dataset comes from; holds no data."""

    #: As a person typed it.
    name: str
    description: str
    reader: Reader
    reading: ReadingSettings
    #: None for a person's own data, whose classes and size come from the training part.
    image_format: ImageFormat | None = None
    #: The stored values that are black and white in the catalogue's data.
    pixel_range: Range = BYTES
    #: What the pixels mean where a study has decided it; otherwise what a person has set.
    pixels: PixelMeaning | PixelSettings = field(default_factory=PixelSettings)

    def load_train(self) -> TrainingPart:
        """Read the training part, and decide what its pixels mean where no study has.

        Raises:
            TunerError: It cannot be read, has fewer than two classes, or its pixels are not clear.
        """
        with listing():
            raw = self._as_shown(self.reader.read_train())
        if self.reading.group is not None and raw.groups is None:
            raise NoGroupsError(self.name, self.reading.group)
        conventions, levels, warnings = self._understand(raw)
        images = self._label(raw, levels, conventions, where=self.name)
        division, told = mark_divisions(raw, images.labels, levels, group=self.reading.group)
        images = replace(images, **division)
        return TrainingPart(
            images=images,
            pixels=conventions.pixels,
            warnings=(
                *raw.remarks,
                *told,
                *warnings,
                *compare_classes(levels, images.labels, images.class_names),
                *count_copies(levels, images.labels, images.class_names, place_of=raw.images.place_of),
            ),
        )

    def label_test(self, raw: RawExamples) -> LabelledImages:
        """Return the test part's examples, read as the training part's are.

        Raises:
            TunerError: The training part cannot be read, or labels, format or pixels differ from the training part's.
        """
        where = f"{self.name}, test part"
        if self.image_format is not None:
            # The catalogue's classes and range are known: the training part need not be read.
            conventions = self._known_conventions(self.image_format)
            levels = conventions.pixels.to_levels(raw.images, where=where)
            warnings = check_range_and_polarity(levels, conventions.pixels, where=where)
            images = self._label(raw, levels, conventions, where=where)
        else:
            images, warnings = self._label_own_test(raw, where)
        if raw.images.n_faint:
            warnings.append(
                f"{raw.images.n_faint:,} pictures have colours of 16 bits and use few of the upper 8, which are all "
                "that is read."
            )
        warnings += raw.remarks
        missing = set(images.class_names) - {images.class_names[label] for label in np.unique(images.labels)}
        if missing:
            warnings.append(f"it has no images of the classes {', '.join(sorted(missing)[:_MOST_NAMED])}.")
        for warning in warnings:
            _log.warning("%s: %s", where, warning)
        return images

    def _label_own_test(self, raw: RawExamples, where: str) -> tuple[LabelledImages, list[str]]:
        """Return the test part of a person's own data, and warnings from comparing it with the training part."""
        trained = self._as_shown(self.reader.read_train())
        conventions, trained_levels, _ = self._understand(trained)
        raw = _in_channels(raw, conventions.pixels.channels, where=where)
        levels = conventions.pixels.to_levels(raw.images, where=where)
        warnings = compare_parts(
            ReadPart(stored=raw.images, levels=levels),
            ReadPart(stored=trained.images, levels=trained_levels),
            conventions.pixels,
            where=where,
        )
        images = self._label(raw, levels, conventions, where=where)
        class_names = conventions.image_format.class_names
        warnings += count_shared_groups(trained.groups, raw.groups)
        warnings += count_leaks(
            (trained_levels, index_by_name(trained.labels, class_names, where=self.name)),
            (levels, images.labels),
            place_of=raw.images.place_of,
        )
        return images, warnings

    def _as_shown(self, raw: RawExamples) -> RawExamples:
        """Return a training part in grey where its pictures show grey, or where its study has read them so."""
        if isinstance(self.pixels, PixelMeaning):
            return _in_channels(raw, self.pixels.channels, where=self.name)
        # Studies of 0.1.0 took every picture that is stored in colour as one.
        if self.image_format is not None or self.pixels.unclear_as_before or not show_grey(raw.images):
            return raw
        return replace(
            raw,
            images=to_grey(raw.images, where=self.name),
            remarks=(
                *raw.remarks,
                "Its pictures are stored in colour with three equal channels: they are read as grey.",
            ),
        )

    def _understand(self, raw: RawExamples) -> tuple[Conventions, NDArray[np.uint8], Sequence[str]]:
        """Return the conventions of a training part, its images as bytes, and warnings."""
        if self.image_format is not None:
            conventions = self._known_conventions(self.image_format)
            levels = conventions.pixels.to_levels(raw.images, where=self.name)
            is_given = isinstance(self.pixels, PixelSettings) and self.pixels.range != "auto"
            if not is_given:
                _check_published_range(raw.images, levels, conventions.pixels.range, where=self.name)
            return conventions, levels, describe_clipping(raw.images, conventions.pixels.range) if is_given else ()
        image_format = self._resized(
            ImageFormat(
                height=raw.images.values.shape[1],
                width=raw.images.values.shape[2],
                channels=raw.images.channels,
                class_names=self._name_classes(raw),
            )
        )
        if isinstance(self.pixels, PixelMeaning):
            conventions = Conventions(image_format=image_format, labels_are_indices=False, pixels=self.pixels)
            return conventions, self.pixels.to_levels(raw.images, where=self.name), ()
        decided = decide_pixels(
            raw.images,
            self.pixels,
            may_be_strokes=shows_strokes(image_format),
            any_size=self.reading.resize is not None,
            resize_how=self.reading.resize_how,
            where=self.name,
        )
        conventions = Conventions(image_format=image_format, labels_are_indices=False, pixels=decided.meaning)
        return conventions, decided.levels, decided.warnings

    def _name_classes(self, raw: RawExamples) -> tuple[str, ...]:
        """Return the classes of the training images, to which those of a validation set must belong."""
        if not raw.n_validation:
            return name_classes(raw.labels, where=self.name)
        n_train = len(raw.labels) - raw.n_validation
        class_names = name_classes(raw.labels[:n_train], where=self.name)
        index_by_name(raw.labels[n_train:], class_names, where=f"{self.name}, validation set")
        return class_names

    def _known_conventions(self, image_format: ImageFormat) -> Conventions:
        """Return the catalogue's conventions; what a person has set for the pixels wins."""
        pixels = self.pixels
        if isinstance(pixels, PixelSettings):
            pixel_range = self.pixel_range if pixels.range == "auto" else pixels.range
            pixels = PixelMeaning(
                range=pixel_range,
                found=self.pixel_range,
                bits=None,
                channels=image_format.channels,
                background=None if pixels.background == "auto" else pixels.background,
                polarity="light on dark",
                inverted=pixels.invert is True,
                stored_size=(image_format.height, image_format.width),
                any_size=False,
                resize_how=self.reading.resize_how,
            )
        return Conventions(image_format=self._resized(image_format), labels_are_indices=True, pixels=pixels)

    def _label(
        self, raw: RawExamples, levels: NDArray[np.uint8], conventions: Conventions, *, where: str
    ) -> LabelledImages:
        """Return the examples in the format that all other packages expect.

        Raises:
            TunerError: A label is outside the classes, there is not one label for each image, or the format differs.
        """
        expected = conventions.image_format
        if len(levels) != len(raw.labels):
            problem = f"{len(levels):,} images and {len(raw.labels):,} labels, expected one label for each image"
            raise UnreadableDataError(where, problem, remedy="Correct the data; images are the first dimension.")
        reading = self.reading
        images = levels
        if reading.resize:
            images = resize_images(levels, reading.resize, how=reading.resize_how, where=where)
        if images.shape[1:] != expected.shape:
            problem = f"images have the shape {images.shape[1:]}, expected {expected.shape} as in training"
            is_same_size = images.shape[1:3] == expected.shape[:2]
            remedy = "Store both parts in grey, or both in RGB." if is_same_size else _ONE_SIZE
            raise UnreadableDataError(where, problem, remedy=remedy)
        to_indices = index_by_number if conventions.labels_are_indices else index_by_name
        return LabelledImages(
            images=conventions.pixels.invert(images),
            labels=to_indices(raw.labels, expected.class_names, where=where),
            class_names=expected.class_names,
        )

    def _resized(self, image_format: ImageFormat) -> ImageFormat:
        height, width = self.reading.resize or (image_format.height, image_format.width)
        return ImageFormat(
            height=height, width=width, channels=image_format.channels, class_names=image_format.class_names
        )


def _in_channels(raw: RawExamples, channels: int, *, where: str) -> RawExamples:
    """Return picture files in grey where a study has read those of its training part so."""
    if channels != 1 or raw.images.bits is None or raw.images.channels == channels:
        return raw
    return replace(raw, images=to_grey(raw.images, where=where))


def _check_published_range(images: StoredImages, levels: NDArray[np.uint8], pixel_range: Range, *, where: str) -> None:
    """Refuse images of the catalogue that are not in their published range: people put some files there themselves."""
    if int(levels.max()) - int(levels.min()) < _LEAST_SPREAD * BYTES[1]:
        lowest, highest = images.image_limits[:, 0].min(), images.image_limits[:, 1].max()
        problem = (
            f"pixel values go from {lowest:.9g} to {highest:.9g}, expected {pixel_range[0]:.9g} to "
            f"{pixel_range[1]:.9g} as published"
        )
        remedy = "Put the published files back, set `data.range`, or give the path of your own files as the dataset."
        raise UnreadableDataError(where, problem, remedy=remedy)
