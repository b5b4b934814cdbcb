"""The most confident mistakes, as images."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuner.bundles.predictions import Predictions
from tuner.report.figures import StudyView
from tuner.report.finals_results import predicted_classes
from tuner.report.markup import Html, element
from tuner.report.wording import count, percent

_SHOWN = 24
#: Larger images are scaled down, because the page shows them small.
_LONGEST_SIDE_PX = 128


def png_data_uri(image: NDArray[np.uint8]) -> str:
    """Encode one image as a data URI.

    Args:
        image: uint8, shape (height, width, channels), 1 channel for grey or 3 for RGB.
    """
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    picture.thumbnail((_LONGEST_SIDE_PX, _LONGEST_SIDE_PX))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def render_worst_errors(view: StudyView, predictions: Predictions, *, source: str) -> Html:
    """Write the misclassified images of highest predicted probability."""
    heading = element(f"h{view.level + 1}", "Most confident mistakes", id=view.anchor("errors"))
    n_wrong = int((predicted_classes(predictions) != predictions.labels).sum())
    if not n_wrong:
        return element("div", heading, element("p", f"Test set, {source}: no mistakes."), class_="block")
    items = [
        _error(predictions, position, view.study.class_names)
        for position in range(min(_SHOWN, len(predictions.error_images)))
    ]
    shown = (
        f"the {len(items)} most confident of {n_wrong:,} mistakes"
        if len(items) < n_wrong
        else count(n_wrong, "mistake")
    )
    order = ", the most confident first" if len(items) > 1 else ""
    lead = f"Test set, {source}: {shown}{order}."
    return element("div", heading, element("p", lead), element("ul", *items, class_="errors"), class_="block")


def _error(predictions: Predictions, position: int, class_names: tuple[str, ...]) -> Html:
    index = int(predictions.error_indices[position])
    true = class_names[int(predictions.labels[index])]
    taken = int(predictions.probabilities[index].argmax())
    probability = percent(float(predictions.probabilities[index, taken]), digits=1)
    # The text beside the image says the same, so a screen reader skips the image.
    image = element(
        "img", src=png_data_uri(predictions.error_images[position]), alt="", width=72, height=72, loading="lazy"
    )
    return element(
        "li",
        image,
        element("span", element("span", "true "), element("b", true), class_="true"),
        element(
            "span", element("span", "predicted "), element("b", class_names[taken]), f" {probability}", class_="taken"
        ),
    )
