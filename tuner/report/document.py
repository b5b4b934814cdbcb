"""The parts common to the report and the dashboard's pages: the style sheet, and hashes of inline scripts."""

import base64
import hashlib
from importlib.resources import files
from string import Template

from tuner.report.palette import COLOURS

#: Rows of the table of trials that are printed on paper; a longer table is complete on the screen only.
PRINTED_ROWS = 40


def page_style() -> str:
    """Return the style sheet, in light and dark colours."""
    light = "".join(f"--{name}:{pair[0]};" for name, pair in COLOURS.items())
    dark = "".join(f"--{name}:{pair[1]};" for name, pair in COLOURS.items())
    return Template(read_asset("page.css")).substitute(light=light, dark=dark, after_printed_rows=PRINTED_ROWS + 1)


def read_asset(name: str) -> str:
    """Return one of the report's own files."""
    return (files("tuner.report") / "assets" / name).read_text(encoding="utf-8")


def sources_of(*contents: str) -> str:
    """Return the hashes by which a content security policy allows exactly these inline scripts or styles."""
    return " ".join(f"'sha256-{_digest(content)}'" for content in contents)


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
