"""What the layers of a model see: filters, saliency and feature maps of a few images."""

from collections.abc import Sequence

import numpy as np

from tuner.bundles.layer_pictures import Filters, LayerMaps, LayerPictures
from tuner.report.figures import View
from tuner.report.markup import Html, element, join
from tuner.report.tiles import picture_element, tile
from tuner.report.wording import count, percent

#: Maps, and filters, in a row.
_COLUMNS, _FILTER_COLUMNS = 8, 16
#: CSS pixels: width of a row of maps, side of an image, and how far a single pixel is enlarged at most.
_SHEET_PX, _IMAGE_PX, _LARGEST_SCALE = 280, 140, 12
#: Most probable classes that are named.
_N_NAMED = 3


def render_layers(view: View, pictures: LayerPictures, *, names: Sequence[str], class_names: Sequence[str]) -> Html:
    """Write filters, images with their saliency, and feature maps layer by layer.

    Args:
        view: Where on the page.
        pictures: What the layers see.
        names: Of the images, each unique.
        class_names: The model's.
    """
    level = f"h{view.level + 1}"
    drawn = len(pictures.layers)
    which = f"{drawn} of {count(pictures.n_layers, 'layer')}" if drawn < pictures.n_layers else "all layers"
    lead = (
        f"The output of {which}, in the order of their calls; without the answer itself, and drawn after normalisation "
        "and activation where these follow. In each block black is the lowest value and white the highest, for each "
        "image by itself."
    )
    # Within an element, as a section's own headings have lines above them.
    return element(
        "div",
        *[
            _filters(pictures.filters, level),
            element(level, "Images and what the answer depends on", id=view.anchor("saliency")),
            element("p", _SALIENCY if pictures.saliency is not None else _NO_SALIENCY, class_="lead"),
            element(
                "ul",
                *[_image(pictures, index, name, class_names) for index, name in enumerate(names)],
                class_="looked-at",
            ),
            element(level, "Feature maps", id=view.anchor("maps")),
            element("p", lead, class_="lead"),
            *[_layer(layer, pictures.n_layers, names, f"h{view.level + 2}") for layer in pictures.layers],
        ],
        class_="layers",
    )


_SALIENCY = (
    "Beside each image its saliency map: the absolute gradient of the predicted class's score by each pixel (Simonyan, "
    "Vedaldi and Zisserman, 2013). Bright: a small change of this pixel would change the score most."
)
_NO_SALIENCY = "Keras runs on a backend for which no saliency is computed."


def _filters(filters: Filters | None, level: str) -> Html:
    if filters is None:
        return join([])
    shown = len(filters.pictures)
    which = (
        f"The first {shown} of {filters.n_filters:,} filters" if shown < filters.n_filters else f"All {shown} filters"
    )
    height, width = filters.pictures.shape[1:3]
    text = (
        f"{which} of the first layer with weights, {filters.kind}, {height}x{width}. Grey is 0, white the "
        "strongest positive weight, black the strongest negative one."
    )
    sheet = tile(list(filters.pictures), columns=_FILTER_COLUMNS)
    scale = min(2 * _SHEET_PX / sheet.width, _LARGEST_SCALE)
    return join(
        [
            element(level, "First filters"),
            element("p", text, class_="lead"),
            picture_element(sheet, alt="The filters as small pictures.", scale=scale),
        ]
    )


def _image(pictures: LayerPictures, index: int, name: str, class_names: Sequence[str]) -> Html:
    image = pictures.images[index]
    scale = _IMAGE_PX / max(image.shape[:2])
    row = pictures.probabilities[index]
    best = np.argsort(-row, kind="stable")[:_N_NAMED]
    answers = [
        element(
            "span", element("b" if place == 0 else "span", class_names[one]), f" {percent(float(row[one]), digits=1)}"
        )
        for place, one in enumerate(best)
    ]
    shown = [picture_element(tile([image], columns=1), alt=f"The image {name}.", scale=scale)]
    if pictures.saliency is not None:
        saliency = tile([pictures.saliency[index]], columns=1)
        shown.append(picture_element(saliency, alt=f"The saliency map of {name}.", scale=scale))
    return element("li", element("span", name, class_="name"), element("span", *shown, class_="pair"), *answers)


def _layer(layer: LayerMaps, n_layers: int, names: Sequence[str], level: str) -> Html:
    shape = "x".join(str(side) for side in layer.shape)
    n_shown = layer.maps.shape[1]
    if not layer.is_spatial:
        what = "its units row by row"
    elif n_shown < layer.shape[-1]:
        what = f"the first {n_shown} of {layer.shape[-1]:,} maps"
    else:
        what = f"all {n_shown} maps"
    sheets = [tile(list(maps), columns=_COLUMNS) for maps in layer.maps]
    items = [
        element(
            "li",
            picture_element(
                sheet,
                alt=f"Layer {layer.position}, {what}, for {name}.",
                scale=min(_SHEET_PX / sheet.width, _LARGEST_SCALE),
            ),
            element("span", name),
        )
        for sheet, name in zip(sheets, names, strict=True)
    ]
    return element(
        "div",
        element(level, f"Layer {layer.position} of {n_layers}: {layer.kind}"),
        element("p", f"{shape}, {what}", class_="detail"),
        element("ul", *items, class_="sheets"),
        class_="layer",
    )
