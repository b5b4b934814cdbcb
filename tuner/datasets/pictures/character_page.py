"""Find the one character on a photographed page, in spite of shade, shadows and noise.

The brightness of the page around each pixel is removed, strokes are found by Otsu's threshold, and the group of strokes
with the most ink is cut out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

#: Longest side, in pixels, of the page in which strokes are searched: 20 pixels of stroke detail need no more.
_LONGEST_SIDE = 800
#: A stroke is narrower than this share of the page's shorter side; a shadow is wider.
_WIDEST_STROKE = 0.25
_NARROWEST_WINDOW = 5
#: Brightness, and share of the page's highest brightness, below which a page counts as black: relative to a lower
#: brightness, the noise of a dark page would be as strong as the chalk on it.
_DARKEST_PAGE = 24
_DARKEST_SHARE = 0.3
#: Responses above this many deviations of the page's noise may be stroke.
_NOISE_DEVIATIONS = 4.0
_FAINTEST_CONTRAST = 0.03
#: Share of Otsu's threshold that still belongs to a stroke which exceeds it elsewhere.
_HYSTERESIS = 0.6
#: A part of the character has at least this share of its heaviest part's weight, and lies at most this far away,
#: measured in that part's longer side.
_LIGHTEST_PART = 0.04
_FARTHEST_PART = 0.5
#: What touches the page's border belongs to the page, unless nothing inside has this share of its weight.
_INSIDE_WEIGHT = 0.01
_LONGEST_PART = 2.0
#: Ink ends within this share of the page's longer side, out of focus too, along this share of its outline.
_WIDEST_EDGE = 0.025
_SHARPEST = 0.65
#: Least average contrast of a character without a sharp outline.
_BLURRED_CONTRAST = 0.3

#: The quantile of a character's pixels that becomes white, and the share of white below which a pixel is no stroke.
_FULL_STROKE = 0.9
_FAINTEST_STROKE = 0.3
#: Width of a stroke in shares of the character's longer side; MNIST's are 2 to 4 of 20 pixels wide.
_THINNEST_STROKE = 0.1
#: Contrasts that differ by less than this share belong to the same edges: to strokes and to what they enclose.
_ALIKE = 0.75
#: What strokes enclose may extend beyond their box by this share of its longer side.
_OVERHANG = 0.1

_Floats = NDArray[np.float32]
_Box = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True)
class _Strokes:
    """What differs from the page in one direction, brighter or darker."""

    #: In 0..1, shape of the page: 0 is page, 1 is full stroke, of the character alone.
    drawn: _Floats
    #: Rows and columns that hold it.
    box: _Box
    #: Half the width of its widest stroke, in pixels.
    thickness: float
    #: Average contrast to the page, in 0..1.
    contrast: float

    @property
    def area(self) -> int:
        return int(np.prod([part.stop - part.start for part in self.box]))

    @property
    def spans_page(self) -> bool:
        """Whether it reaches from one border to the opposite one, as in a picture cut close to the character."""
        return any(part.start == 0 and part.stop == n for part, n in zip(self.box, self.drawn.shape, strict=True))

    @property
    def touches_border(self) -> bool:
        return any(part.start == 0 or part.stop == n for part, n in zip(self.box, self.drawn.shape, strict=True))


def cut_out_character(page: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the character's smallest box, light on dark; one black pixel where the page is empty.

    Args:
        page: Grey, shape (height, width), dark on light or light on dark.
    """
    small = _reduce(page)
    smooth = ndimage.gaussian_filter(small, _blur(small))
    window = max(_NARROWEST_WINDOW, int(_WIDEST_STROKE * min(small.shape)))
    # Closing and opening keep shades and the edges of shadows, and remove what is narrower than their window.
    lightest, darkest = ndimage.maximum_filter(smooth, window), ndimage.minimum_filter(smooth, window)
    closed, opened = ndimage.minimum_filter(lightest, window), ndimage.maximum_filter(darkest, window)
    black = max(_DARKEST_PAGE, _DARKEST_SHARE * float(smooth.max()))
    darker = (closed - smooth) / np.maximum(closed, black)
    lighter = (smooth - opened) / np.maximum(lightest, black)
    strokes = _find_character(darker, lighter, sharpness=_SHARPEST)
    if strokes is None:
        # A picture that was enlarged, or is far out of focus, has no sharp outline; low contrast is the page's.
        strokes = _find_character(darker, lighter, sharpness=0.0)
        if strokes is None or strokes.contrast < _BLURRED_CONTRAST:
            return np.zeros((1, 1), np.uint8)
    cut: NDArray[np.uint8] = np.rint(_widen(strokes)[strokes.box] * 255).astype(np.uint8)
    return cut


def _find_character(darker: _Floats, lighter: _Floats, *, sharpness: float) -> _Strokes | None:
    dark, light = (_find_strokes(contrast, sharpness=sharpness) for contrast in (darker, lighter))
    return _choose(dark, light) if dark and light else dark or light


def otsu_threshold(values: _Floats) -> float:
    """Return the value in 0..1 that divides the values into two classes of least variance (Otsu, 1979)."""
    counts, edges = np.histogram(values, bins=256, range=(0, 1))
    middles = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * middles)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (sums[-1] * below / below[-1] - sums) ** 2 / (below * above)
    return float(edges[1:][np.argmax(np.nan_to_num(variance, posinf=0))])


def _reduce(page: NDArray[np.uint8]) -> _Floats:
    scale = _LONGEST_SIDE / max(page.shape)
    if scale >= 1:
        return page.astype(np.float32)
    height, width = (max(1, round(side * scale)) for side in page.shape)
    reduced = Image.fromarray(page).resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(reduced, np.float32)


def _widen(strokes: _Strokes) -> _Floats:
    """Return the character with strokes as wide as a pen's: thinner ones would fade when scaled to 20 pixels."""
    missing = _THINNEST_STROKE * _longer_side(strokes.box) - 2 * strokes.thickness
    return strokes.drawn if missing < 1 else ndimage.grey_dilation(strokes.drawn, size=(round(missing) + 1,) * 2)


def _find_strokes(contrast: _Floats, *, sharpness: float) -> _Strokes | None:
    """Return the character, given the contrast of each pixel to the page around it, in 0..1."""
    level = float(np.median(contrast))
    noise = 1.4826 * float(np.median(np.abs(contrast - level)))
    lowest = level + max(_NOISE_DEVIATIONS * noise, _FAINTEST_CONTRAST)
    if not (contrast > lowest).any():
        return None
    threshold = otsu_threshold(contrast[contrast > lowest])
    is_stroke = _heaviest_group(contrast, threshold, sharpness=sharpness)
    if is_stroke is None:
        return None
    inked = contrast[is_stroke & (contrast > threshold)]
    full = float(np.quantile(inked, _FULL_STROKE))
    response = np.clip((contrast - level) / max(full - level, _FAINTEST_CONTRAST), 0, 1)
    drawn = np.where(ndimage.binary_dilation(is_stroke, iterations=2), response, 0).astype(np.float32)
    if not (drawn > _FAINTEST_STROKE).any():
        return None
    box = ndimage.find_objects((drawn > _FAINTEST_STROKE).astype(np.int8))[0]
    return _Strokes(
        drawn=drawn,
        box=box,
        thickness=float(ndimage.distance_transform_cdt(np.pad(is_stroke[box], 1)).max()),
        contrast=float(inked.mean()),
    )


def _blur(page: _Floats) -> float:
    """Return the standard deviation, in pixels, of a blur that removes the page's noise."""
    # Immerkær (1996): this mask does not respond to edges and shades.
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    noise = float(np.median(np.abs(ndimage.convolve(page, mask)))) / 0.6745 / 6
    return float(np.clip(noise / 10, 0.5, 3))


def _heaviest_group(contrast: _Floats, threshold: float, *, sharpness: float) -> NDArray[np.bool_] | None:
    """Return the pixels of the heaviest connected stroke, with the smaller strokes near it."""
    labels, _ = ndimage.label(contrast > _HYSTERESIS * threshold, structure=np.ones((3, 3)))
    weights = np.bincount(labels.ravel(), np.where(contrast > threshold, contrast, 0).ravel())
    weights[0] = 0
    weights *= _sharpness(contrast, labels) >= sharpness
    if not weights.any():
        return None
    boxes = [(slice(0, 0), slice(0, 0)), *ndimage.find_objects(labels)]
    inside = weights.copy()
    inside[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = 0
    main = int((inside if inside.max() >= _INSIDE_WEIGHT * weights.max() else weights).argmax())
    side = _longer_side(boxes[main])
    is_part = np.array(
        [
            weight >= _LIGHTEST_PART * weights[main]
            and _distance(box, boxes[main]) <= _FARTHEST_PART * side
            and _longer_side(box) <= _LONGEST_PART * side
            for weight, box in zip(weights, boxes, strict=True)
        ]
    )
    is_stroke: NDArray[np.bool_] = is_part[labels]
    return is_stroke


def _sharpness(contrast: _Floats, labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the share of each component's outline where brightness changes within few pixels, as at ink's edge."""
    peaks = np.zeros(labels.max() + 1, np.float32)
    np.maximum.at(peaks, labels.ravel(), contrast.ravel())
    rise = ndimage.maximum_filter(ndimage.gaussian_gradient_magnitude(contrast, 1), 3)
    is_sharp = rise > peaks[labels] / (_WIDEST_EDGE * max(contrast.shape) + 2)
    outline = np.where(ndimage.minimum_filter(labels, 3) == 0, labels, 0)
    lengths = np.bincount(outline.ravel(), minlength=len(peaks))
    shares: NDArray[np.float64] = np.bincount(outline.ravel(), is_sharp.ravel(), len(peaks)) / np.maximum(lengths, 1)
    return shares


def _longer_side(box: _Box) -> int:
    return max(int(side.stop) - int(side.start) for side in box)


def _distance(one: _Box, other: _Box) -> int:
    """Return the gap between two boxes, in pixels."""
    return max(max(int(a.start - b.stop), int(b.start - a.stop), 0) for a, b in zip(one, other, strict=True))


def _choose(one: _Strokes, other: _Strokes) -> _Strokes:
    """Return the strokes, and not the piece of the page that they enclose or separate at an edge."""
    weaker, stronger = sorted((one, other), key=lambda strokes: strokes.contrast)
    if weaker.contrast < _ALIKE * stronger.contrast:
        return stronger
    smaller, larger = sorted((one, other), key=lambda strokes: strokes.area)
    if one.touches_border != other.touches_border:
        at_border, inside = (one, other) if one.touches_border else (other, one)
        is_character = at_border.spans_page or at_border.thickness < inside.thickness
        return at_border if is_character and _encloses(at_border.box, inside.box, overhang=0) else inside
    if _encloses(larger.box, smaller.box, overhang=_OVERHANG):
        return larger
    return min((one, other), key=lambda strokes: strokes.thickness)


def _encloses(one: _Box, other: _Box, *, overhang: float) -> bool:
    margin = overhang * _longer_side(one)
    return all(a.start - margin <= b.start and b.stop <= a.stop + margin for a, b in zip(one, other, strict=True))
