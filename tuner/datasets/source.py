"""From what stands in files to labelled images: class indices, one format, bright strokes on black."""

import logging
from dataclasses import dataclass

import numpy as np

from tuner.datasets.images import ImageFormat, LabelledImages
from tuner.datasets.labels import index_by_name, index_by_number, name_classes
from tuner.datasets.pixels import resize_images
from tuner.datasets.polarity import are_dark_on_light, shows_strokes
from tuner.datasets.reading import RawExamples, Reader, Size, UnreadableDataError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Conventions:
    """What the training and the test part of one dataset have in common."""

    image_format: ImageFormat
    #: Labels are class indices already, as in the catalogue; else they are class names.
    labels_are_indices: bool
    #: Images are dark on light and get inverted.
    inverted: bool


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a dataset comes from; holds no data."""

    #: As a person typed it.
    name: str
    description: str
    reader: Reader
    resize: Size | None
    #: None for people's own data, whose classes and size come from its training part.
    image_format: ImageFormat | None = None

    def read_conventions(self, train: RawExamples | None = None) -> Conventions:
        """Return the catalogue's conventions, or those that the training part shows, which is read unless given.

        Raises:
            TunerError: The training part cannot be read, or has fewer than two classes.
        """
        if self.image_format is not None:
            return Conventions(image_format=self._resized(self.image_format), labels_are_indices=True, inverted=False)
        train = train or self.reader.read_train()
        _, height, width, channels = train.images.shape
        class_names = name_classes(train.labels, where=self.name)
        image_format = self._resized(
            ImageFormat(height=height, width=width, channels=channels, class_names=class_names)
        )
        inverted = shows_strokes(image_format) and bool(are_dark_on_light(train.images).mean() > 0.5)  # noqa: PLR2004
        if inverted:
            _logger.info("%s is dark on light: inverted, so that models see bright strokes on black", self.name)
        return Conventions(image_format=image_format, labels_are_indices=False, inverted=inverted)

    def label(self, raw: RawExamples, conventions: Conventions) -> LabelledImages:
        """Return the examples as every part of this program expects them.

        Raises:
            TunerError: A label is outside the classes, there is not one for each image, or the format is another.
        """
        expected = conventions.image_format
        if len(raw.images) != len(raw.labels):
            problem = f"{len(raw.images)} images and {len(raw.labels)} labels, expected as many"
            raise UnreadableDataError(self.name, problem, remedy="Correct the data.")
        images = resize_images(raw.images, self.resize, where=self.name) if self.resize else raw.images
        if images.shape[1:] != expected.shape:
            problem = f"images have the shape {images.shape[1:]}, expected {expected.shape} as in training"
            raise UnreadableDataError(self.name, problem, remedy="Give all images one size, or set `data.resize`.")
        to_indices = index_by_number if conventions.labels_are_indices else index_by_name
        return LabelledImages(
            images=np.uint8(255) - images if conventions.inverted else images,
            labels=to_indices(raw.labels, expected.class_names, where=self.name),
            class_names=expected.class_names,
        )

    def _resized(self, image_format: ImageFormat) -> ImageFormat:
        height, width = self.resize or (image_format.height, image_format.width)
        return ImageFormat(
            height=height, width=width, channels=image_format.channels, class_names=image_format.class_names
        )
