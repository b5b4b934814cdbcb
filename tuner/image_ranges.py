"""In which range a model takes its images: decided by the study, kept with the model that a builder returns.

A model that scales its images itself, as many of keras.applications do, takes 0 to 255; all others take 0 to 1.
Whatever turns stored pixels into floats asks the model. Knows no Keras, so that definitions can name the ranges.
"""

from collections.abc import Mapping
from typing import Any, Literal

ImageRange = Literal["unit-range", "uint8-range"]
#: What a study has that does not say.
UNIT_RANGE: ImageRange = "unit-range"

#: Range → the value of white; black is 0.
_WHITE: Mapping[ImageRange, float] = {"unit-range": 1.0, "uint8-range": 255.0}
_ATTRIBUTE = "tuner_image_range"


def describe_range(image_range: ImageRange) -> str:
    """Return the range as an interval, such as `[0, 1]`."""
    return f"[0, {_WHITE[image_range]:g}]"


def white_value(image_range: ImageRange) -> float:
    """Return the value of white in images of this range."""
    return _WHITE[image_range]


def levels_to_floats(image_range: ImageRange, levels: str) -> str:
    """Return the Python expression that turns the array `levels`, uint8, into images in this range."""
    return f'{levels}.astype("float32")' + (" / 255" if image_range == UNIT_RANGE else "")


def mark_range(model: Any, image_range: ImageRange) -> None:
    """Note in a model in which range it takes its images."""
    setattr(model, _ATTRIBUTE, image_range)


def range_of(model: Any) -> ImageRange:
    """Return the range that was noted in a model, without a note that of 0 to 1."""
    found: ImageRange = getattr(model, _ATTRIBUTE, UNIT_RANGE)
    return found


def white_of(model: Any) -> float:
    """Return the value of white in the images that a model takes."""
    return white_value(range_of(model))
