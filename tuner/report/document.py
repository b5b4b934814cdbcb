"""The parts common to the report and the dashboard's pages: the style sheet, and hashes of inline scripts."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStore
from tuner.errors import TunerError
from tuner.report.markup import Html
from tuner.report.palette import COLOURS
from tuner.report.templating import fill

#: Rows of the table of trials that are printed on paper; a longer table is complete on the screen only.
PRINTED_ROWS = 40


class PageNotWrittenError(TunerError):
    """A page cannot be written to the requested file."""

    def __init__(self, path: Path, reason: str, *, option: str) -> None:
        super().__init__(f"Could not write {path}: {reason}. Choose another place with {option}.")


def render_document(template: str, *, title: str, plots: bool = True, **values: Any) -> str:
    """Return one HTML document that needs no other file and no network.

    Args:
        template: Extends `document.html`, which is the same for all pages.
        title: Text of the browser's tab.
        plots: Whether it has figures that `page.js` draws; without them it is 4 MB smaller.
        values: What the template shows.
    """
    scripts = [_plotly(), read_asset("page.js")] if plots else []
    return fill(
        template,
        title=title,
        policy=_content_security_policy(*scripts),
        style=Html(page_style()),
        palette=Html(json.dumps(dict(COLOURS.values()))),
        scripts=[Html(script) for script in scripts],
        **values,
    )


def write_page(page: str, path: Path, *, option: str = "--out") -> Path:
    """Write a page and return its absolute path; an older file is replaced.

    Args:
        page: The document.
        path: The file.
        option: Of the command line, with which another file can be chosen.

    Raises:
        PageNotWrittenError: The file cannot be written.
    """
    target = path.expanduser().resolve()
    try:
        # As bytes, so that line ends stay unchanged: the policy holds hashes of the scripts.
        ArtifactStore(str(target.parent)).write(target.name, page.encode("utf-8", errors="replace"))
    except ArtifactNotWrittenError as error:
        raise PageNotWrittenError(target, error.reason, option=option) from error
    return target


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


@cache
def _plotly() -> str:
    # Imported here: the dashboard's own pages have no figures.
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _content_security_policy(*scripts: str) -> str:
    """Allow these scripts and no external content; Plotly needs inline styles."""
    allowed = sources_of(*scripts) if scripts else "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
