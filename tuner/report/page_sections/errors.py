"""The most confident mistakes as images, and the mistakes of each class."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuner.bundles.predictions import Predictions
from tuner.class_metrics import confusion_matrix
from tuner.report.figures import StudyView
from tuner.report.finals_results import predicted_classes
from tuner.report.markup import Html
from tuner.report.mistakes import confused_pairs
from tuner.report.templating import fill
from tuner.report.tiles import picture_element, tile
from tuner.report.wording import count, percent

_SHOWN = 24
#: Larger images are scaled down, because the page shows them small.
_LONGEST_SIDE_PX = 128
#: Kinds of mistakes, pictures of each, and the side that these have at most.
_PAIRS, _PER_PAIR, _PAIR_PX = 24, 6, 40


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
    n_wrong = int((predicted_classes(predictions) != predictions.labels).sum())
    errors = [
        _error(predictions, position, view.study.class_names)
        for position in range(min(_SHOWN, len(predictions.error_images)))
    ]
    if not n_wrong:
        shown = "no mistakes"
    elif len(errors) < n_wrong:
        shown = f"the {len(errors)} most confident of {n_wrong:,} mistakes"
    else:
        shown = count(n_wrong, "mistake")
    order = ", the most confident first" if len(errors) > 1 else ""
    return fill("errors", view=view, source=source, shown=shown + order, errors=errors)


def render_confused_pairs(view: StudyView, predictions: Predictions, *, source: str) -> Html | None:
    """Write pictures of each kind of mistake, class by class; None where each kind has one picture at most."""
    names = view.study.class_names
    labels, predicted = predictions.labels, predicted_classes(predictions)
    shown: dict[tuple[int, int], list[NDArray[np.uint8]]] = {}
    for index, image in zip(predictions.error_indices, predictions.error_images, strict=True):
        shown.setdefault((int(labels[index]), int(predicted[index])), []).append(image)
    if max(map(len, shown.values()), default=0) < 2:  # noqa: PLR2004 - the most confident mistakes show those
        return None
    counts = confused_pairs(confusion_matrix(labels, predicted, len(names)))
    pairs = [(true, taken, n_images) for true, taken, n_images in counts if (true, taken) in shown][:_PAIRS]
    shown_pairs = [
        (f"{names[true]} taken for {names[taken]}: {count(n_images, 'time')}", _row_of(shown[true, taken][:_PER_PAIR]))
        for true, taken, n_images in sorted(pairs, key=lambda pair: (pair[0], -pair[2]))
    ]
    n_stored = len(predictions.error_images)
    return fill("confused_pairs", view=view, source=source, n_each=_PER_PAIR, n_stored=n_stored, pairs=shown_pairs)


def _row_of(images: list[NDArray[np.uint8]]) -> Html:
    small = []
    for image in images:
        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
        picture.thumbnail((_PAIR_PX, _PAIR_PX))
        small.append(np.asarray(picture))
    # The text beside them says what they are.
    return picture_element(tile(small, columns=_PER_PAIR), alt="", scale=max(1, _PAIR_PX // max(small[0].shape[:2])))


def _error(predictions: Predictions, position: int, class_names: tuple[str, ...]) -> dict[str, str]:
    """Return a wrongly answered image as a data URI, its class, the answer and the answer's probability."""
    index = int(predictions.error_indices[position])
    taken = int(predictions.probabilities[index].argmax())
    return {
        "picture": png_data_uri(predictions.error_images[position]),
        "true": class_names[int(predictions.labels[index])],
        "taken": class_names[taken],
        "probability": percent(float(predictions.probabilities[index, taken]), digits=1),
    }
