"""What the layers of a model see: filters, saliency and feature maps of a few images."""

from collections.abc import Sequence

import numpy as np

from tuner.bundles.layer_pictures import Filters, LayerMaps, LayerPictures
from tuner.plain_values import JSONObject
from tuner.report.figures import View
from tuner.report.markup import Html
from tuner.report.templating import fill
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
    drawn = len(pictures.layers)
    return fill(
        "layers",
        view=view,
        filters=None if pictures.filters is None else _filters(pictures.filters),
        has_saliency=pictures.saliency is not None,
        images=[_image(pictures, index, name, class_names) for index, name in enumerate(names)],
        which=f"{drawn} of {count(pictures.n_layers, 'layer')}" if drawn < pictures.n_layers else "all layers",
        layers=[_layer(layer, pictures.n_layers, names) for layer in pictures.layers],
    )


def _filters(filters: Filters) -> dict[str, str]:
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
    return {"text": text, "picture": picture_element(sheet, alt="The filters as small pictures.", scale=scale)}


def _image(pictures: LayerPictures, index: int, name: str, class_names: Sequence[str]) -> JSONObject:
    """Return an image and its saliency map, and the most probable classes with their probabilities."""
    image = pictures.images[index]
    scale = _IMAGE_PX / max(image.shape[:2])
    row = pictures.probabilities[index]
    best = np.argsort(-row, kind="stable")[:_N_NAMED]
    shown = [picture_element(tile([image], columns=1), alt=f"The image {name}.", scale=scale)]
    if pictures.saliency is not None:
        saliency = tile([pictures.saliency[index]], columns=1)
        shown.append(picture_element(saliency, alt=f"The saliency map of {name}.", scale=scale))
    answers = [(class_names[one], percent(float(row[one]), digits=1)) for one in best]
    return {"name": name, "pictures": shown, "answers": answers}


def _layer(layer: LayerMaps, n_layers: int, names: Sequence[str]) -> JSONObject:
    """Return a layer's title and shape, and for each image its maps as one picture."""
    shape = "x".join(str(side) for side in layer.shape)
    n_shown = layer.maps.shape[1]
    if not layer.is_spatial:
        what = "its units row by row"
    elif n_shown < layer.shape[-1]:
        what = f"the first {n_shown} of {layer.shape[-1]:,} maps"
    else:
        what = f"all {n_shown} maps"
    sheets = []
    for maps, name in zip(layer.maps, names, strict=True):
        sheet = tile(list(maps), columns=_COLUMNS)
        alt = f"Layer {layer.position}, {what}, for {name}."
        scale = min(_SHEET_PX / sheet.width, _LARGEST_SCALE)
        sheets.append((picture_element(sheet, alt=alt, scale=scale), name))
    title = f"Layer {layer.position} of {n_layers}: {layer.kind}"
    return {"title": title, "detail": f"{shape}, {what}", "sheets": sheets}
