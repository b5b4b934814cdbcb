"""Put a range of the learning rate into a definition file, and leave all else that a person wrote there as it is."""

import re
from pathlib import Path

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStore
from tuner.studies.definitions.files import DefinitionError, read_source
from tuner.studies.definitions.making import read_definition
from tuner.studies.definitions.toml import Table, TomlError, parse_toml

_NAME = "learning_rate"
_SECTION = f"space.{_NAME}"
#: The line that names the space, which cannot stand beside a table `space`.
_SPACE_LINE = re.compile(r"^[ \t]*space(?=[ \t]*=)", re.MULTILINE)


def refuse_unwritable_range(path: Path) -> None:
    """Find out before a test is run whether its range could be written.

    Raises:
        DefinitionError: As in `write_learning_rate`.
    """
    _add_range(path, {"low": 1e-4, "high": 1e-2, "log": True})


def write_learning_rate(path: Path, *, low: float, high: float) -> None:
    """Add `[space.learning_rate]` to a definition; its `space = "…"` becomes `space.name = "…"`, which means the same.

    Args:
        path: A study definition in TOML.
        low: Lowest rate to search, above 0.
        high: Highest, above `low`.

    Raises:
        DefinitionError: The file cannot be read or written, is no definition, fixes the learning rate, or has such a
            section already.
    """
    text = _add_range(path, {"low": low, "high": high, "log": True})
    target = path.resolve()
    try:
        ArtifactStore(str(target.parent)).write(target.name, text.encode())
    except ArtifactNotWrittenError as error:
        raise DefinitionError(f"Could not write {path}: {error.reason}. It is as it was.") from error


def _add_range(path: Path, wanted: Table) -> str:
    """Return the file's text with the section."""
    read_definition(path)
    text = read_source(path)
    settings = parse_toml(text)
    space = settings["space"] if isinstance(settings["space"], dict) else {"name": settings["space"]}
    if _NAME in space:
        raise DefinitionError(
            f"{path} has a section [{_SECTION}] already; nothing is written. Change its low and high yourself, or "
            "remove it and run the test again."
        )
    if _NAME in settings.get("fixed", {}):
        raise DefinitionError(
            f"{path} fixes the {_NAME}, so it is not searched; nothing is written. Remove it from [fixed] first."
        )
    end = "\r\n" if "\r\n" in text else "\n"
    section = [f"[{_SECTION}]", f"low = {wanted['low']!r}", f"high = {wanted['high']!r}", "log = true", ""]
    written = _SPACE_LINE.sub("space.name", text, count=1).rstrip() + end + end + end.join(section)
    if _parse(written) != {**settings, "space": {**space, _NAME: dict(wanted)}}:
        raise DefinitionError(
            f"{path} cannot be changed without rewriting it; nothing is written. Add a section [{_SECTION}] yourself, "
            "and write the space as space.name."
        )
    return written


def _parse(text: str) -> Table | None:
    try:
        return parse_toml(text)
    except TomlError:
        # A space that is named in another way, such as in quotes.
        return None
