"""The classes and functions of a person's own that a `.keras` file names, and that must be at hand to load it."""

import json
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KERAS = ("keras", "builtins")


@dataclass(frozen=True, kw_only=True, order=True)
class OwnObject:
    """A class or a function."""

    module: str
    #: In its module, with dots for one inside another class.
    name: str
    #: Under which Keras looks it up.
    registered_name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


def find_own_objects(path: Path) -> list[OwnObject]:
    """Return what a `.keras` file names that is not of Keras, by module and name, each once."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    return sorted(set(_walk(config)))


def load_objects(objects: Sequence[OwnObject]) -> dict[str, Any]:
    """Return those of modules that are imported already, as `custom_objects` of Keras takes them.

    One that its module does not have, such as a class that a function defines, is left out.
    """
    found = {}
    for one in objects:
        value: Any = sys.modules.get(one.module)
        for name in one.name.split("."):
            value = getattr(value, name, None)
        if value is not None:
            found[one.registered_name] = value
    return found


def _walk(config: Any) -> Iterator[OwnObject]:
    if isinstance(config, list):
        for value in config:
            yield from _walk(value)
    if not isinstance(config, dict):
        return
    module, class_name = config.get("module"), config.get("class_name")
    if isinstance(module, str) and isinstance(class_name, str) and module.partition(".")[0] not in _KERAS:
        is_function = class_name == "function"
        name = config.get("config") if is_function else class_name
        if isinstance(name, str):
            registered = name if is_function else config.get("registered_name") or name
            # Keras puts the package of a registered one before its name.
            yield OwnObject(module=module, name=name.rpartition(">")[2], registered_name=registered)
    for value in config.values():
        yield from _walk(value)
