"""What a builder prints and raises: the first goes to stderr, the second becomes an error that names its line."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner.backends import is_of_device
from tuner.errors import TunerError, shorten
from tuner.logs import stdout_as_stderr
from tuner.spaces.own_code import find_own_line, text_of

#: Longest part of an exception's text that is repeated.
_MAX_REASON = 500


class BuilderError(TunerError):
    """The space's `build` raised; the cause is chained."""

    def __init__(self, space: str, error: Exception) -> None:
        text = text_of(error)
        own = find_own_line(error, text)
        place = f" ({Path(own.file).name}, line {own.line})" if own else ""
        reason = f": {shorten(text, width=_MAX_REASON)}" if text.strip() else ""
        super().__init__(f"{type(error).__name__} in the builder of {space}{place}{reason}")


def guarded(name: str, build: Callable[..., Any]) -> Callable[..., Any]:
    """Return the space's `build`, with stdout kept clean and its exceptions turned into `BuilderError`."""

    @functools.wraps(build)
    def build_guarded(*arguments: Any) -> Any:
        try:
            with stdout_as_stderr():
                return build(*arguments)
        except (MemoryError, TunerError):
            raise
        except Exception as error:
            if is_of_device(error):
                # Not the builder's fault; `training.devices` says what it is.
                raise
            raise BuilderError(name, error) from error

    return build_guarded
