"""The files that hold study definitions: found by path or by the name of a shipped one, and read as text and TOML."""

from pathlib import Path

from tuner.datasets.reading import is_pipe_or_device
from tuner.errors import TunerError, did_you_mean
from tuner.studies.definitions.shipped import find_shipped, shipped_paths
from tuner.studies.definitions.toml import Table, TomlError, parse_toml

#: How many of the shipped definitions an error names.
_MOST_NAMED = 9


class DefinitionError(TunerError):
    """A study definition cannot be read, or has settings that are not possible."""


def find_definition(path: Path) -> Path:
    """Return the file that a person means: a file of that path, else the shipped definition of that name."""
    shipped = find_shipped(path) if len(path.parts) == 1 else None
    return path if shipped is None or path.is_file() else shipped


def read_definition_toml(path: Path) -> Table:
    """Return the settings in a file as they are written.

    Raises:
        DefinitionError: There is no such file, or it is not TOML.
    """
    try:
        return parse_toml(read_source(path))
    except TomlError as error:
        # Python's message ends with "(at line 3, column 5)".
        raise DefinitionError(f"{path} is not valid TOML: {error}.") from error


def read_source(path: Path) -> str:
    """Return the text of a definition file, with its own line ends.

    Raises:
        DefinitionError: There is no such file, or it is not UTF-8 text.
    """
    try:
        if is_pipe_or_device(path):
            raise DefinitionError(f"{path} is a pipe or a device; expected a study definition in TOML.")
        # With or without the mark that Windows puts first.
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DefinitionError(_describe_missing(path)) from error
    except OSError as error:
        raise DefinitionError(
            f"Could not read {path}: {error.strerror}; expected a study definition in TOML."
        ) from error
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{path} is not UTF-8 text; expected a study definition in TOML.") from error


def _describe_missing(path: Path) -> str:
    names = list(shipped_paths())
    if str(path) in names:
        return (
            f"No file {path} here, and the definition {str(path)!r} that comes with tuner stays as it is. Make a copy: "
            f"`tuner study definitions {path} > {path}.toml`."
        )
    beside = [str(found) for found in sorted(path.parent.glob("*.toml")) if _defines_study(found)]
    meant = did_you_mean(str(path), beside) or did_you_mean(path.stem, names)
    there = f" There are: {', '.join(beside)}." if beside else ""
    more = " …" * (len(names) > _MOST_NAMED)
    shipped = f" With tuner come {', '.join(names[:_MOST_NAMED])}{more}: `tuner study definitions`." if names else ""
    return f"No study definition at {path}.{meant}{there}{shipped} Write one with `tuner init {path.stem}`."


def _defines_study(path: Path) -> bool:
    """Say whether a TOML file looks like a definition, and not like another program's settings."""
    try:
        return "space" in read_definition_toml(path)
    except DefinitionError:
        return False
