"""Types of values whose keys are not known beforehand: people, builders and other programs choose them."""

from collections.abc import Mapping
from typing import Any

#: An object of JSON.
JSONObject = dict[str, Any]
#: Numbers, texts and booleans by the names of a space's hyperparameters.
Hyperparameters = Mapping[str, Any]
#: What a study stores of its images: `PixelMeaning.to_json` of `tuner.datasets.pixels.meaning`, warnings and counts.
StoredPixels = Mapping[str, Any]
