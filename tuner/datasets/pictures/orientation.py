"""The orientation of the camera, the one EXIF tag that is read.

Pillow's EXIF classes are not used, because they decode and check every other tag as well: a resolution that is stored
as text would make the picture unreadable.
"""

import re
import struct
from pathlib import Path
from typing import Any

from PIL import Image

_ORIENTATION_TAG = 0x0112
#: TIFF's types of whole numbers, as `struct` spells them: BYTE, SHORT, LONG.
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I"}
_TIFF_MAGIC = 42
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Longest EXIF block that is read: JPEG's segments hold 64 KiB, PNG's chunks have any length.
_LONGEST_EXIF = 2**20
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})


def lies_on_its_side(picture: Image.Image, path: Path) -> bool:
    """Say whether height and width change places when the picture is put upright."""
    return _read_orientation(picture, path) in _SIDEWAYS


def put_upright(picture: Image.Image, path: Path) -> Image.Image:
    """Return the picture upright, or as it is stored where its EXIF is damaged or has no orientation."""
    transposition = _TRANSPOSITIONS.get(_read_orientation(picture, path))
    return picture if transposition is None else picture.transpose(transposition)


def _read_orientation(picture: Image.Image, path: Path) -> int:
    """Return EXIF's orientation from 1 to 8, or 1 where there is none that is valid.

    It does not depend on whether the pixels have been decoded. Pillow itself puts TIFF pictures upright.
    """
    if picture.format == "TIFF":
        return 1
    exif = picture.info.get("exif") or _raw_profile(picture.info) or (_late_exif(path) if _is_png(picture) else b"")
    found = _find_in_tiff(exif.removeprefix(b"Exif\0\0")) or _find_in_xmp(picture.info)
    return found if found in _TRANSPOSITIONS else 1


def _is_png(picture: Image.Image) -> bool:
    return picture.format == "PNG"


def _find_in_tiff(tiff: bytes) -> int | None:
    """Return the orientation among the tags of the first directory."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    try:
        magic, start = struct.unpack_from(f"{order}HI", tiff, 2)
        if magic != _TIFF_MAGIC:
            return None
        (n_tags,) = struct.unpack_from(f"{order}H", tiff, start)
        for place in range(start + 2, start + 2 + 12 * n_tags, 12):
            tag, kind, n_values = struct.unpack_from(f"{order}HHI", tiff, place)
            if tag == _ORIENTATION_TAG and kind in _WHOLE_NUMBERS and n_values == 1:
                return int(struct.unpack_from(order + _WHOLE_NUMBERS[kind], tiff, place + 8)[0])
    except struct.error:  # it ends before its directory does
        return None
    return None


def _find_in_xmp(info: dict[Any, Any]) -> int | None:
    """Return the orientation that editors write into XMP, where EXIF has none."""
    xmp = info.get("XML:com.adobe.xmp") or info.get("xmp") or ""
    text = xmp.decode("latin-1") if isinstance(xmp, bytes) else str(xmp)
    found = re.search(r"tiff:Orientation(?:=\"|>)([1-8])(?!\d)", text)
    return int(found[1]) if found else None


def _raw_profile(info: dict[Any, Any]) -> bytes:
    """Return the EXIF block that older versions of ImageMagick write into PNG as hexadecimal text."""
    lines = str(info.get("Raw profile type exif", "")).split("\n")
    try:
        return bytes.fromhex("".join(lines[3:]))
    except ValueError:
        return b""


def _late_exif(path: Path) -> bytes:
    """Return a PNG's EXIF chunk after its pixels, where ExifTool writes it."""
    with path.open("rb") as file:
        if file.read(len(_PNG_SIGNATURE)) != _PNG_SIGNATURE:
            return b""
        while len(head := file.read(8)) == 8:  # noqa: PLR2004 - length and name of a chunk
            length, name = struct.unpack(">I4s", head)
            if name == b"eXIf":
                return file.read(min(length, _LONGEST_EXIF))
            file.seek(length + 4, 1)
    return b""
