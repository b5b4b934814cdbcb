"""What the manual has besides the pages in `docs/`: generated parts, and files of this repository that pages link to.

MkDocs calls these functions; `mkdocs.yml` names this module.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from command_reference import describe_commands
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from settings_reference import describe_settings

_ROOT = Path(__file__).parents[2]
#: A relative link of Markdown that leaves `docs/`.
_OUTSIDE = re.compile(r"(?<=\]\()(?P<path>(?:\.\./)+[^)#\s]+)(?=[)#])")
#: What stands in a page for what is generated.
_GENERATED = {"<!-- every command -->": describe_commands, "<!-- every setting -->": describe_settings}
_LISTED = "<!-- every decision -->"


def on_files(files: Files, *, config: Any) -> Files:
    """Add the changelog, the guide for contributors, and every file outside of `docs/` that a page links to."""
    for name in ("CHANGELOG", "CONTRIBUTING"):
        text = (_ROOT / f"{name}.md").read_text(encoding="utf-8")
        files.append(File.generated(config, f"{name.lower()}.md", content=text.replace("](docs/", "](")))
    linked = {
        _in_repository(found["path"], page.src_uri)
        for page in files.documentation_pages()
        for found in _OUTSIDE.finditer(page.content_string)
    }
    for path in sorted(linked):
        if (_ROOT / path).is_file():
            files.append(File.generated(config, _shown_as(path), abs_src_path=str(_ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: Any, files: Files) -> str:
    """Put in what is generated, and point links to the repository's files to their copies."""
    del config
    for marker, describe in _GENERATED.items():
        if marker in markdown:
            markdown = markdown.replace(marker, describe())
    if _LISTED in markdown:
        markdown = markdown.replace(_LISTED, _list_decisions(files))

    def point_to_copy(link: re.Match[str]) -> str:
        copy = _shown_as(_in_repository(link["path"], page.file.src_uri))
        # A link to what is not there stays as it is: MkDocs warns of it.
        here = posixpath.dirname(page.file.src_uri) or "."
        return posixpath.relpath(copy, here) if files.get_file_from_path(copy) else link["path"]

    return _OUTSIDE.sub(point_to_copy, markdown)


def _in_repository(link: str, page: str) -> str:
    """Return the path, from the repository's root, of a link on a page of `docs/`."""
    return posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))


def _shown_as(path: str) -> str:
    """Return where a file of the repository is in the site: as text, which browsers show and do not download."""
    return f"files/{path}.txt"


def _list_decisions(files: Files) -> str:
    pages = [page for page in files.documentation_pages() if re.match(r"decisions/\d{4}-", page.src_uri)]
    titles = {page.src_uri: page.content_string.splitlines()[0].removeprefix("# ") for page in pages}
    return "\n".join(f"- [{titles[uri]}]({posixpath.basename(uri)})" for uri in sorted(titles))
