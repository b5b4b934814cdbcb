"""TOML as people write it, parsed within bounds that everything behind the parser can rely on, and written again."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

#: Deepest nesting of tables and lists; a definition needs four.
_MAX_DEPTH = 16
#: Longest whole number, in digits: Python converts no longer ones to text, and no setting is that large.
_MAX_DIGITS = 1_000

#: A table: settings and tables by their keys.
Table = dict[str, Any]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class TomlError(ValueError):
    """The text is no TOML, or TOML that no definition needs; the message says where or what."""


def parse_toml(text: str) -> Table:
    """Parse a TOML document.

    Raises:
        TomlError: It is no TOML, is nested too deeply, or holds a number with too many digits.
    """
    try:
        parsed = tomllib.loads(text)
    except RecursionError as error:
        raise TomlError("its tables or lists are nested too deeply") from error
    except ValueError as error:
        # `TOMLDecodeError` is one; a number of more than 4,300 digits raises a plain one.
        message = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a number has too many digits"
        raise TomlError(message) from error
    _check(parsed, _MAX_DEPTH)
    return parsed


def _check(value: Any, depth: int) -> None:
    if depth == 0:
        raise TomlError("its tables or lists are nested too deeply")
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check(inner, depth - 1)
    elif isinstance(value, str) and "\0" in value:
        # Postgres stores no text that holds one.
        raise TomlError("a text holds the character NUL")
    elif isinstance(value, int) and abs(value) >= 10**_MAX_DIGITS:
        raise TomlError("a number has too many digits")


def write_toml(table: Mapping[str, Any], path: Sequence[str] = ()) -> str:
    """Return a TOML document that `parse_toml` reads back.

    Args:
        table: Of JSON's types without null.
        path: The names of the tables around it.
    """
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping) and not _is_array(value)}
    blocks = ["".join(f"{_key(key)} = {_value(value)}\n" for key, value in plain.items())]
    if path and (plain or not table):
        blocks[0] = f"[{_header(path)}]\n{blocks[0]}"
    for key, value in table.items():
        inner = [*path, key]
        if isinstance(value, Mapping):
            blocks.append(write_toml(value, inner))
        elif _is_array(value):
            blocks += [f"[[{_header(inner)}]]\n{write_toml(item)}" for item in value]
    return "\n".join(block for block in blocks if block)


def _is_array(value: Any) -> bool:
    """Say whether it is written as an array of tables: a list of tables without tables within them."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, Mapping) for item in value)
        and not any(isinstance(inner, Mapping) or _is_array(inner) for item in value for inner in item.values())
    )


def _header(path: Sequence[str]) -> str:
    return ".".join(map(_key, path))


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_value(inner)}' for key, inner in value.items())} }}"
    return repr(value)


def _text(text: str) -> str:
    # JSON's escapes are TOML's too, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
