"""The border around a person's builder: what it prints goes to stderr, what it raises is told with its line."""

import functools
from collections.abc import Callable
from typing import Any

from tuner.backends import is_of_device
from tuner.errors import TunerError, shorten
from tuner.logs import stdout_as_stderr
from tuner.spaces.handed_over import describe_place
from tuner.spaces.own_code import find_own_line, text_of

#: Longest part of an exception's text that is repeated.
_MAX_REASON = 500


class BuilderError(TunerError):
    """The space's `build` raised, or its `fit` called `sys.exit`; the cause is chained."""

    def __init__(self, space: str, error: BaseException) -> None:
        text = text_of(error)
        own = find_own_line(error, text)
        place = f" ({describe_place(own.file, own.line)})" if own else ""
        reason = f": {shorten(text, width=_MAX_REASON)}" if text.strip() else ""
        super().__init__(f"{type(error).__name__} in the builder of {space}{place}{reason}")


def guarded(name: str, build: Callable[..., Any]) -> Callable[..., Any]:
    """Return the space's `build` with stdout kept clean; its exceptions, `SystemExit` too, become `BuilderError`."""

    @functools.wraps(build)
    def build_guarded(*arguments: Any) -> Any:
        try:
            with stdout_as_stderr():
                return build(*arguments)
        except (MemoryError, TunerError):
            raise
        except (Exception, SystemExit) as error:
            if is_of_device(error):
                # Not the builder's fault; `training.devices` says what it is.
                raise
            raise BuilderError(name, error) from error

    return build_guarded
