from pathlib import Path

import numpy as np
import pytest
from dataset_files import draw_images
from PIL import Image

from tuner.datasets.fonts import default_font, has_glyphs, romanise
from tuner.datasets.images import LabelledImages
from tuner.datasets.sample_sheet import SheetNotWrittenError, write_image_sheet, write_sample_sheet

KANA = tuple("おきすつなはまやれを")


def label_images(class_names: tuple[str, ...], *, channels: int = 1, side: int = 28) -> LabelledImages:
    images = draw_images(3 * len(class_names), height=side, width=side)
    return LabelledImages(
        images=np.repeat(images[..., np.newaxis], channels, axis=3),
        labels=np.arange(len(images)) % len(class_names),
        class_names=class_names,
    )


@pytest.mark.parametrize(
    ("data", "n_rows"),
    [
        pytest.param(label_images(("0", "1", "2")), 3, id="digits"),
        pytest.param(label_images(KANA), 10, id="kana"),
        pytest.param(label_images(("a", "b"), channels=3, side=8), 2, id="small and coloured"),
        pytest.param(label_images(("a", "b"), side=300), 2, id="large"),
        pytest.param(label_images(tuple(f"class {n}" for n in range(120))), 51, id="many classes"),
        pytest.param(label_images(("A very long name of a class, " * 9, "")), 2, id="long and empty names"),
    ],
)
def test_the_sheet_has_a_row_for_each_class(tmp_path: Path, data: LabelledImages, n_rows: int) -> None:
    write_sample_sheet(data, tmp_path / "sheet.png")

    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 24 + n_rows * 60
        assert sheet.width < 1200
        assert np.asarray(sheet).std() > 10


def test_a_sheet_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SheetNotWrittenError, match="No such file or directory"):
        write_sample_sheet(label_images(("0", "1")), tmp_path / "nowhere" / "sheet.png")


def test_a_font_without_kana_is_found_out() -> None:
    assert has_glyphs(default_font(20), ["0123456789", "T-shirt/top"])
    assert not has_glyphs(default_font(20), ["0", "お"])


@pytest.mark.parametrize(
    ("name", "romanised"),
    [
        ("お", "o"),
        ("を", "wo"),
        ("ま", "ma"),
        ("λ", "lamda"),
        ("Ankle boot", "Ankle boot"),
        ("Dreieck ü", "Dreieck u"),
        ("øre", "ore"),
    ],
)
def test_names_are_romanised_where_no_font_can_write_them(name: str, romanised: str) -> None:
    assert romanise(name) == romanised


def test_a_sheet_of_images_shows_each_of_them_in_order(tmp_path: Path) -> None:
    images = np.stack([np.full((28, 28, 1), 10 * index, np.uint8) for index in range(14)])

    write_image_sheet(images, tmp_path / "seen.png")

    with Image.open(tmp_path / "seen.png") as sheet:
        assert sheet.size == (12 * 60 + 4, 2 * 60 + 4)
        assert [sheet.getpixel((30 + 60 * (index % 12), 30 + 60 * (index // 12))) for index in range(14)] == [
            (10 * index,) * 3 for index in range(14)
        ]
