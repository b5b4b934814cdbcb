"""TOML as people write it, parsed within bounds that everything behind the parser can rely on."""

import tomllib
from typing import Any

#: Deepest nesting of tables and lists; a definition needs four.
_MAX_DEPTH = 16
#: Longest whole number, in digits: Python converts no longer ones to text, and no setting is that large.
_MAX_DIGITS = 1_000


class TomlError(ValueError):
    """The text is no TOML, or TOML that no definition needs; the message says where or what."""


def parse_toml(text: str) -> dict[str, Any]:
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
