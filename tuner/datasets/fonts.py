"""A font of this machine that can write given names, and what to write where there is none."""

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from PIL import ImageFont

#: Where systems keep fonts.
_FOLDERS = {
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": ("C:/Windows/Fonts",),
}
_LINUX_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
#: Parts of file names of fonts without serifs, good for labels: first the usual Latin one, then Japanese ones.
_WANTED = (
    "dejavusans.",
    "notosanscjk-regular",
    "notosanscjkjp-regular",
    "notosansjp",
    "ipaexg",
    "ipag.",
    "takaogothic",
    "vl-gothic",
    "hiragino",
    "ヒラギノ角ゴシック w3",
    "yugothm",
    "msgothic",
    "meiryo.",
    "arialunicode",
    "arial unicode",
    "wqy-zenhei",
)
#: No font has a glyph for this code point, which Unicode will never assign.
_NEVER_ASSIGNED = "\uffff"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def find_font(texts: Sequence[str], *, size: int) -> Font | None:
    """Return an installed font that has every character of the texts, or None."""
    fonts = (_open_font(path, size) for path in _candidates())
    return next((font for font in fonts if font and has_glyphs(font, texts)), None)


def default_font(size: int) -> Font:
    """Return the Latin font that comes with Pillow."""
    return ImageFont.load_default(size)


def has_glyphs(font: Font, texts: Iterable[str]) -> bool:
    """Say whether the font has every character: whether it draws each unlike a character that no font has."""
    missing = bytes(font.getmask(_NEVER_ASSIGNED))
    characters = {character for text in texts for character in text if not character.isspace()}
    return all(bytes(font.getmask(character)) != missing for character in characters)


def romanise(text: str) -> str:
    """Return the text in ASCII, foreign characters by the last word of their Unicode name: `お` becomes `o`.

    Latin letters lose their accents: `ü` becomes `u`.
    """
    return "".join(_romanise_character(character) for character in text)


def is_latin(text: str) -> bool:
    """Say whether all letters of the text are Latin ones, with or without accents."""
    return all(_is_latin_character(character) for character in text if character.isalpha())


def _is_latin_character(character: str) -> bool:
    return unicodedata.name(character, "").startswith("LATIN ")


def _romanise_character(character: str) -> str:
    if character.isascii():
        return character
    if _is_latin_character(character):
        # `NFKD` writes an accent as a character of its own; `ß`, `ø` and their like have none.
        plain = "".join(part for part in unicodedata.normalize("NFKD", character) if part.isascii())
        return plain or unicodedata.name(character).split(" WITH ")[0].split()[-1].lower()
    return unicodedata.name(character, "?").split()[-1].lower()


@cache
def _candidates() -> tuple[Path, ...]:
    folders = [Path(folder).expanduser() for folder in _FOLDERS.get(sys.platform, _LINUX_FOLDERS)]
    files = [path for folder in folders if folder.is_dir() for path in sorted(folder.rglob("*.[ot]t[fc]"))]
    return tuple(path for wanted in _WANTED for path in files if path.name.lower().startswith(wanted))


def _open_font(path: Path, size: int) -> Font | None:
    try:
        return ImageFont.truetype(path, size)
    except OSError:
        return None
