"""The same sixty pictures, as people store them: each function writes a dataset and returns its path."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Pictures of three classes, of all levels from 0 to 255 in steps of 17: uint8, shape (60, 12, 12).
SIDE = 12
LABELS = np.arange(60) % 3
NAMES = ("ant", "bee", "cat")


def pictures() -> NDArray[np.uint8]:
    """Bright figures on black, each class another, each picture with noise of its own."""
    random = np.random.default_rng(0)
    images = np.zeros((len(LABELS), SIDE, SIDE), np.uint8)
    for image, label in zip(images, LABELS, strict=True):
        figure = image[2:10, 2 + 2 * label : 6 + 2 * label]
        figure[...] = 17 * random.integers(4, 16, figure.shape)
        figure[0, 0] = 255
    return images


def _npz(folder: Path, **arrays: Any) -> Path:
    path = folder / "brought.npz"
    np.savez_compressed(path, **({"y_train": LABELS} | arrays))
    return path


def _save(
    folder: Path, draw: Callable[[NDArray[np.uint8]], Image.Image], *, ending: str = "png", **options: Any
) -> Path:
    """Write each picture, drawn so, into the folder of its class."""
    for number, (image, label) in enumerate(zip(pictures(), LABELS, strict=True)):
        path = folder / "brought" / NAMES[label] / f"{number:02}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(image).save(path, **options)
    return folder / "brought"


# Arrays.


def bytes_(folder: Path) -> Path:
    return _npz(folder, x_train=pictures())


def floats_to_one(folder: Path) -> Path:
    return _npz(folder, x_train=pictures() / 255)


def floats_to_255(folder: Path) -> Path:
    return _npz(folder, x_train=pictures().astype(np.float32))


def one_pixel_above_one(folder: Path) -> Path:
    images = pictures() / 255
    images[images == 1] = 1.0000001
    return _npz(folder, x_train=images)


def half_floats(folder: Path) -> Path:
    return _npz(folder, x_train=(pictures() / 255).astype(np.float16))


def big_endian(folder: Path) -> Path:
    return _npz(folder, x_train=pictures().astype(">i4"))


def long_integers(folder: Path) -> Path:
    return _npz(folder, x_train=pictures().astype(np.int64))


def fortran_order(folder: Path) -> Path:
    return _npz(folder, x_train=np.asfortranarray(pictures()))


def with_channel(folder: Path) -> Path:
    return _npz(folder, x_train=pictures()[..., np.newaxis])


def to_fifteen(folder: Path) -> Path:
    return _npz(folder, x_train=pictures() // 17)


def floats_to_fifteen(folder: Path) -> Path:
    return _npz(folder, x_train=(pictures() // 17).astype(np.float64))


def sixteen_bits(folder: Path) -> Path:
    return _npz(folder, x_train=pictures().astype(np.uint16) * 257)


def minus_one_to_one(folder: Path) -> Path:
    return _npz(folder, x_train=pictures() / 127.5 - 1)


def floats_to_one_and_a_half(folder: Path) -> Path:
    return _npz(folder, x_train=pictures() / 170)


def not_a_number(folder: Path) -> Path:
    images = pictures() / 255
    images[3, 4, 5] = np.nan
    return _npz(folder, x_train=images)


def all_black(folder: Path) -> Path:
    return _npz(folder, x_train=np.zeros_like(pictures()))


def flat_rows(folder: Path) -> Path:
    return _npz(folder, x_train=pictures().reshape(len(LABELS), -1))


def channels_first(folder: Path) -> Path:
    return _npz(folder, x_train=np.repeat(pictures()[:, np.newaxis], 3, axis=1))


def four_channels(folder: Path) -> Path:
    return _npz(folder, x_train=np.repeat(pictures()[..., np.newaxis], 4, axis=3))


# Labels.


def one_hot_labels(folder: Path) -> Path:
    return _npz(folder, x_train=pictures(), y_train=np.eye(3)[LABELS])


def float_labels(folder: Path) -> Path:
    return _npz(folder, x_train=pictures(), y_train=LABELS.astype(np.float32))


def column_of_labels(folder: Path) -> Path:
    return _npz(folder, x_train=pictures(), y_train=LABELS[:, np.newaxis])


def byte_names(folder: Path) -> Path:
    return _npz(folder, x_train=pictures(), y_train=np.array(NAMES)[LABELS].astype("S3"))


def too_few_labels(folder: Path) -> Path:
    return _npz(folder, x_train=pictures(), y_train=LABELS[:-1])


def validation_part(folder: Path) -> Path:
    return _npz(folder, x_train=pictures(), x_val=pictures(), y_val=LABELS)


def unlabelled_test_images(folder: Path) -> Path:
    return _npz(folder, x_train=pictures(), x_test=pictures())


# Picture files.


def grey_pngs(folder: Path) -> Path:
    return _save(folder, Image.fromarray)


def colour_pngs_of_grey(folder: Path) -> Path:
    return _save(folder, lambda image: Image.fromarray(image).convert("RGB"))


def palette_pngs(folder: Path) -> Path:
    return _save(folder, lambda image: Image.fromarray(image).convert("P"))


def sixteen_bit_pngs(folder: Path) -> Path:
    return _save(folder, lambda image: Image.fromarray(image.astype(np.uint16) * 257))


def twelve_bits_in_sixteen(folder: Path) -> Path:
    return _save(folder, lambda image: Image.fromarray((image // 17).astype(np.uint16) * 273))


def eight_bits_in_sixteen(folder: Path) -> Path:
    return _save(folder, lambda image: Image.fromarray(image.astype(np.uint16)))


def white_on_transparent(folder: Path) -> Path:
    def draw(image: NDArray[np.uint8]) -> Image.Image:
        white = np.full_like(image, 255)
        return Image.fromarray(np.stack([white, white, white, image], axis=-1))

    return _save(folder, draw)


def opaque_with_alpha(folder: Path) -> Path:
    return _save(folder, lambda image: Image.fromarray(image).convert("RGBA"))


def bitmaps(folder: Path) -> Path:
    return _save(folder, Image.fromarray, ending="bmp")


def turned_by_exif(folder: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 3
    return _save(folder, lambda image: Image.fromarray(image[::-1, ::-1].copy()), exif=exif)


def a_class_called_train(folder: Path) -> Path:
    path = grey_pngs(folder)
    (path / "cat").rename(path / "train")
    return path


def some_in_subfolders(folder: Path) -> Path:
    path = grey_pngs(folder)
    inner = path / "ant" / "more"
    inner.mkdir()
    for file in sorted((path / "ant").glob("*.png"))[:5]:
        file.rename(inner / file.name)
    return path


def some_of_another_kind(folder: Path) -> Path:
    path = grey_pngs(folder)
    for number in range(4):
        (path / "bee" / f"{number}.heic").write_bytes(b"no picture that is read")
    return path


def a_validation_folder(folder: Path) -> Path:
    path = grey_pngs(folder)
    (folder / "parted").mkdir()
    path.rename(folder / "parted" / "train")
    _save(folder, Image.fromarray).rename(folder / "parted" / "validation")
    return folder / "parted"


def a_broken_picture(folder: Path) -> Path:
    path = grey_pngs(folder)
    (path / "ant" / "00.png").write_bytes(b"no picture")
    return path


# Tables.


def _table(
    folder: Path, *, header: list[str] | None = None, separator: str = ",", index: bool = False, side: int = SIDE
) -> Path:
    pixels = pictures()[:, :side, :side].reshape(len(LABELS), -1)
    names = header or ["label", *(f"pixel{number}" for number in range(pixels.shape[1]))]
    rows = [
        [*([number] if index else []), label, *row]
        for number, (label, row) in enumerate(zip(LABELS, pixels.tolist(), strict=True))
    ]
    lines = [separator.join(map(str, row)) for row in [[*([""] if index else []), *names], *rows]]
    path = folder / "brought.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def table(folder: Path) -> Path:
    return _table(folder)


def table_with_row_numbers(folder: Path) -> Path:
    return _table(folder, index=True)


def table_with_semicolons(folder: Path) -> Path:
    return _table(folder, separator=";")


def table_without_names(folder: Path) -> Path:
    return _table(folder, header=["0"] * (1 + SIDE**2))
