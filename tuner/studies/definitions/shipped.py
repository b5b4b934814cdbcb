"""The study definitions that come with this package, each known by its name.

In a checkout they are in the folder `studies/`; the wheel holds the same files inside the package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).parents[2]
#: In a wheel, see `sources` in `pyproject.toml`; in a checkout.
_FOLDERS = (_PACKAGE / "shipped_studies", _PACKAGE.parent / "studies")


@dataclass(frozen=True, kw_only=True)
class ShippedDefinition:
    """One definition that comes with this package."""

    name: str
    path: Path
    #: Its first sentence.
    description: str


def shipped_paths() -> Mapping[str, Path]:
    """Return the file of each shipped definition by its name, those of the reports last."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    if folder is None:
        return {}
    files = [*sorted(folder.glob("*.toml")), *sorted(folder.glob("reports/*.toml"))]
    return {file.stem: file for file in files}


def find_shipped(name: str | Path) -> Path | None:
    """Return the file of the shipped definition of that name; None if there is none."""
    return shipped_paths().get(str(name))


def list_shipped() -> list[ShippedDefinition]:
    """Return all shipped definitions, those of the reports last."""
    return [
        ShippedDefinition(name=name, path=path, description=_first_sentence(path))
        for name, path in shipped_paths().items()
    ]


def _first_sentence(path: Path) -> str:
    """Return the first sentence of the comment that a shipped definition begins with."""
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            break
        lines.append(line.removeprefix("# "))
    sentence, _, _ = " ".join(lines).partition(". ")
    return sentence.rstrip(".") + "."
