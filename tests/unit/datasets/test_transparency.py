from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tuner.datasets.catalogue import open_dataset, open_source
from tuner.datasets.pixels.decision import PixelSettings
from tuner.datasets.pixels.transparency import choose_background, put_on_background
from tuner.datasets.reading import UnreadableDataError

DISC = np.hypot(*(np.mgrid[:20, :20] - 10)) < 6


def figure(colour: tuple[int, int, int], opacity: int = 255) -> NDArray[np.uint8]:
    """A disc of one colour on a transparent ground: uint8, shape (20, 20, 4)."""
    image = np.zeros((20, 20, 4), np.uint8)
    image[DISC] = (*colour, opacity)
    return image


def choose(*figures: NDArray[np.uint8]) -> tuple[str | None, str]:
    background, warnings = choose_background(np.stack(figures), where="data")
    return background, " ".join(warnings)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((255, 255, 255), "black"),
        ((240, 240, 235), "black"),
        ((0, 0, 0), "white"),
        ((128, 128, 128), "white"),
        ((255, 255, 0), "white"),
        ((200, 10, 10), "white"),
    ],
)
def test_the_ground_is_white_unless_the_figures_are_lost_on_it(colour: tuple[int, int, int], expected: str) -> None:
    background, warning = choose(*[figure(colour)] * 3)

    assert background == expected
    assert f"3 of 3 pictures are transparent: put on {expected}" in warning
    assert "`data.background = " in warning


def test_a_white_page_with_transparent_corners_is_not_lost_on_white() -> None:
    page = np.full((20, 20, 4), 255, np.uint8)
    page[:2, :2, 3] = 0
    page[9:11, 5:15, :3] = 0

    assert choose(page, page)[0] == "white"


def test_figures_of_which_some_are_lost_on_either_ground_are_an_error() -> None:
    with pytest.raises(UnreadableDataError, match=r"of 4 transparent pictures 2 cannot be seen on white.*data\.backgr"):
        choose(*[figure((255, 255, 255)), figure((0, 0, 0))] * 2)


@pytest.mark.parametrize(("background", "level"), [("white", 255), ("black", 0)])
def test_half_opaque_pixels_are_mixed_with_the_ground_as_pillow_does(background: str, level: int) -> None:
    image = figure((200, 100, 50), opacity=77)

    opaque = put_on_background(image[np.newaxis], background)  # type: ignore[arg-type]

    ground = Image.new("RGBA", (20, 20), (level, level, level, 255))
    expected = np.asarray(Image.alpha_composite(ground, Image.fromarray(image)).convert("RGB"))
    assert np.abs(opaque[0].astype(int) - expected).max() <= 1


def test_white_figures_on_a_transparent_palette_are_seen(tmp_path: Path) -> None:
    for index in range(8):
        picture = Image.fromarray(np.roll(DISC, index, axis=1).astype(np.uint8)).convert("P")
        picture.putpalette([0, 0, 0, 255, 255, 255])
        path = tmp_path / f"class{index % 2}" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        picture.save(path, transparency=0)

    part = open_dataset(str(tmp_path), data_dir=tmp_path).read_training_part()

    assert part.pixels.background == "black"
    assert part.images.images[0, 10, 10].tolist() == [255]
    assert part.images.images[0, 0, 19].tolist() == [0]


@pytest.mark.parametrize("opacity", [254, 252])
def test_opacity_that_is_rounded_needs_no_ground(opacity: int) -> None:
    page = np.full((20, 20, 4), opacity, np.uint8)
    page[DISC, :3] = 0

    assert choose(page, page) == (None, "")


def test_a_picture_that_shows_nothing_is_counted_and_all_are_an_error() -> None:
    nothing = np.zeros((20, 20, 4), np.uint8)
    opaque = np.full((20, 20, 4), 255, np.uint8)

    assert choose(nothing, opaque) == (None, "1 of 2 pictures are wholly transparent, and show nothing.")
    assert "1 of 2 pictures are wholly transparent" in choose(nothing, figure((0, 0, 0)))[1]
    with pytest.raises(UnreadableDataError, match=r"all 2 pictures are wholly transparent\. Save them anew"):
        choose(nothing, nothing)


def test_pictures_of_16_bits_beside_transparent_ones_keep_their_values(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (10, 20, 20)).astype(np.uint16)
    deep[:, 0, 0] = 65535
    for name in "ab":
        (tmp_path / name).mkdir()
        for index, picture in enumerate(deep):
            Image.fromarray(picture).save(tmp_path / name / f"{index}.png")
    Image.fromarray(figure((255, 255, 255))[..., [0, 3]], "LA").save(tmp_path / "a" / "transparent.png")

    source = open_source(str(tmp_path), data_dir=tmp_path, pixels=PixelSettings(invert=False))
    images = source.load_train().images.images

    assert np.array_equal(images[0, ..., 0], np.rint(deep[0] / 257))


def write_pictures(folder: Path, *, n_transparent: int, colour: int, level: int, n_pictures: int = 8) -> None:
    """Write opaque discs of a level on black, and transparent ones of a colour after them, into two class folders."""
    for index in range(n_pictures):
        disc = np.roll(DISC, index, axis=0)
        picture = np.where(disc, level, 0).astype(np.uint8)
        if index >= n_pictures - n_transparent:
            picture = np.stack([np.full_like(picture, colour), disc * np.uint8(255)], axis=-1)
        path = folder / f"class{index % 2}" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)


def read_levels(folder: Path, **settings: Any) -> tuple[set[int], str]:
    """Return all levels that models see, and the warnings."""
    dataset = open_dataset(str(folder), data_dir=folder, pixels=PixelSettings(invert=False, **settings))
    part = dataset.read_training_part()
    return set(np.unique(part.images.images).tolist()), " ".join(part.warnings)


def test_opaque_pictures_show_the_range_of_the_transparent_ones_beside_them(tmp_path: Path) -> None:
    write_pictures(tmp_path, n_transparent=4, colour=0, level=15)

    levels, warnings = read_levels(tmp_path)

    assert levels == {0, 255}
    assert "go from 0 to 15: 0 is taken as black and 15 as white. This is a guess" in warnings


def test_transparent_colours_count_where_the_range_is_given(tmp_path: Path) -> None:
    write_pictures(tmp_path, n_transparent=4, colour=5, level=15)

    levels, warnings = read_levels(tmp_path, range=(0.0, 15.0))

    assert levels == {0, 85, 255}
    assert "data.range" not in warnings


def test_dark_pictures_beside_transparent_ones_show_no_range(tmp_path: Path) -> None:
    write_pictures(tmp_path, n_transparent=4, colour=0, level=60)

    with pytest.raises(
        UnreadableDataError,
        match=r"from 0 to 60 \(the highest in class0/0\.png\), which shows .*`data\.range = \[0, 255\]` or",
    ):
        read_levels(tmp_path)


@pytest.mark.parametrize(("colour", "is_guess"), [(0, False), (51, True), (15, True), (200, False)])
def test_transparent_pictures_alone_are_bytes_and_dark_ones_are_said_to_be_a_guess(
    tmp_path: Path, colour: int, *, is_guess: bool
) -> None:
    write_pictures(tmp_path, n_transparent=8, colour=colour, level=0)

    levels, warnings = read_levels(tmp_path)

    assert levels == {colour, 255}
    assert (
        "0 is taken as black and 255 as white, so that the figures are dark. This is a guess" in warnings
    ) is is_guess


def test_colours_under_what_is_wholly_transparent_show_nothing(tmp_path: Path) -> None:
    write_pictures(tmp_path, n_transparent=0, colour=0, level=16)
    hidden = np.stack([np.where(DISC, 16, 250), DISC * 255], axis=-1).astype(np.uint8)
    Image.fromarray(hidden).save(tmp_path / "class0" / "hidden.png")

    levels, warnings = read_levels(tmp_path)

    assert levels == {0, 255}
    assert "16 as white" in warnings
