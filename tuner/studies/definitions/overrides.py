"""`--set key=value`: one setting of a study definition changed on the command line."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.errors import TunerError, shorten
from tuner.studies.database.texts import can_be_stored
from tuner.studies.definitions.toml import Table, TomlError, parse_toml

#: Settings by their dotted keys, as in `search.trials`.
Changes = Mapping[str, Any]

#: Tables whose keys are hyperparameters: the rest of a dotted key is one name, even if it has dots. In `space`, whose
#: tables are hyperparameters, it is what stands between the first dot and the last.
_OPEN_TABLES = ("fixed", "search.grid", "search.vary")


class OverrideError(TunerError):
    """A `--set` is not `key=value`."""


def parse_overrides(overrides: Sequence[str]) -> Changes:
    """Return the value of each dotted key; of equal keys the last one is used.

    A value is parsed as TOML; what is not TOML is a string, so that words need no quotes.

    Raises:
        OverrideError: There is no `=`, no key, or a list, table or string that begins and does not end.
    """
    return dict(_parse(override) for override in overrides)


def parse_factors(factors: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of each `NAME=VALUE,VALUE` by its name, each parsed like that of an override.

    Raises:
        OverrideError: There is no `=`, no name or no value, or a name is given twice.
    """
    parsed: dict[str, list[Any]] = {}
    for factor in factors:
        name, _, text = (part.strip() for part in factor.partition("="))
        values = [value.strip() for value in text.split(",")]
        # A list or a text within quotes would be divided at its commas.
        is_plain = all(value and not value.startswith(("[", "{", '"', "'")) for value in values)
        if not name or not is_plain or not can_be_stored(factor):
            raise OverrideError(f"--vary {shorten(factor)}: expected NAME=VALUE,VALUE as in --vary kernel_size=3,5,7.")
        if name in parsed:
            raise OverrideError(f"--vary {shorten(name)}: given twice; expected all its values in one.")
        parsed[name] = [_parse(f"value={value}")[1] for value in values]
    return parsed


def apply_overrides(settings: Table, changes: Changes) -> Table:
    """Return a copy of the settings with each value in the place of its dotted key.

    Raises:
        OverrideError: A key leads through a value that is not a table.
    """
    changed = copy.deepcopy(dict(settings))
    for key, value in changes.items():
        *tables, last = _split_key(key)
        table = changed
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                shown = shorten(key)
                raise OverrideError(
                    f"--set {shown}=…: {shorten(name)!r} is not a table in the definition, so {shown!r} is no setting."
                )
        table[last] = value
    return changed


def _parse(override: str) -> tuple[str, Any]:
    key, equals, text = override.partition("=")
    if not can_be_stored(override):
        raise OverrideError(f"--set {shorten(override)}: received bytes that are not text; expected UTF-8.")
    key, text = key.strip(), text.strip()
    if not equals or not all(_split_key(key)):
        raise OverrideError(
            f"--set {shorten(override)}: expected key=value with a dotted key, as in --set search.trials=200."
        )
    try:
        parsed = parse_toml(f"value = {text}")
    except TomlError as error:
        if text.startswith(("[", "{", '"', "'")):
            raise OverrideError(f"--set {shorten(override)}: {shorten(text)} is not a TOML value: {error}.") from error
        return key, text
    # A line break in the text could add a second key.
    return key, parsed["value"] if len(parsed) == 1 else text


def _split_key(key: str) -> list[str]:
    for table in _OPEN_TABLES:
        if key.startswith(f"{table}."):
            return [*table.split("."), key.removeprefix(f"{table}.")]
    if key.startswith("space."):
        name, _, last = key.removeprefix("space.").rpartition(".")
        return ["space", name, last] if name else ["space", last]
    return key.split(".")
