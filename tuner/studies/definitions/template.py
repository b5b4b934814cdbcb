"""A definition file to edit: what somebody asked for, and every other setting as a comment with its default."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.settings_reference import table_of
from tuner.studies.definitions.toml import write_toml

#: Columns of a comment.
_WIDTH = 100
#: Written by hand at the top, or not for people to write.
_NOT_LISTED = {"name", "space", "dataset", "ranges", "published"}


def write_template(definition: StudyDefinition) -> str:
    """Return a TOML file that `read_definition` reads as the definition.

    Each line `# key = value` is a default: without the mark, the definition is the same.

    Args:
        definition: With settings at the top level alone: name, space, dataset and seed.
    """
    values = definition.model_dump(mode="json")
    top = {name: values[name] for name in ("name", "space", "dataset")}
    lines = [
        "# A study definition: run it with `tuner run`, or try it in seconds with `tuner study check`.",
        "# Lines that begin with `# key = ` are defaults: remove the mark to set something else.",
        "",
        write_toml(top).rstrip(),
        *_describe_table(StudyDefinition, values, path=()),
    ]
    return "\n".join(lines) + "\n"


def _describe_table(model: type[BaseModel], values: Mapping[str, Any], *, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the settings of a table, then those of the tables within it."""
    tables: list[tuple[str, type[BaseModel], FieldInfo]] = []
    for name, field in model.model_fields.items():
        if not path and name in _NOT_LISTED:
            continue
        if (table := table_of(field.annotation)) is not None:
            tables.append((name, table, field))
            continue
        yield ""
        yield from _comment(f"{name}: {field.description}")
        value = values[name]
        if value is None or value in ([], {}):
            yield f"# ({name} is not set)"
        else:
            yield f"# {write_toml({name: value}).rstrip()}"
    for name, table, field in tables:
        yield ""
        yield from _comment(f"{name}: {field.description}")
        yield from _describe_inner(table, values[name], path=(*path, name))


def _describe_inner(
    model: type[BaseModel], values: Mapping[str, Any] | None, *, path: tuple[str, ...]
) -> Iterator[str]:
    if values is not None:
        yield f"[{'.'.join(path)}]"
        yield from _describe_table(model, values, path=path)
        return
    # A table that is not there by default stays out with all of it: two marks.
    yield f"## [{'.'.join(path)}]"
    defaults = model().model_dump(mode="json")
    for line in _describe_table(model, defaults, path=path):
        yield f"#{line}" if line else line


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), _WIDTH)]
