"""What a builder prints and raises: the first goes to stderr, the second becomes an error that names its line."""

import functools
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner.errors import TunerError, shorten
from tuner.logs import stdout_as_stderr
from tuner.spaces.sources import is_installed

#: Longest part of an exception's text that is repeated.
_MAX_REASON = 500
_PACKAGE = Path(__file__).parents[1]
#: What a device raises that lacks memory or has failed: not the builder's fault, told apart by `training.devices`.
_DEVICE_ERRORS = frozenset(
    {"ResourceExhaustedError", "JaxRuntimeError", "XlaRuntimeError", "InternalError", "UnavailableError"}
)


class BuilderError(TunerError):
    """The space's `build` raised; the cause is chained."""

    def __init__(self, space: str, error: Exception) -> None:
        reason = shorten(str(error), width=_MAX_REASON)
        super().__init__(f"{type(error).__name__} in the builder of {space}{_place(error)}: {reason}")


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
                raise
            raise BuilderError(name, error) from error

    return build_guarded


def is_of_device(error: BaseException) -> bool:
    """Say whether a framework raised this for a device that has too little memory or has failed."""
    return any(cls.__name__ in _DEVICE_ERRORS for cls in type(error).__mro__)


def _place(error: Exception) -> str:
    """Return the last line of the person's own code that the exception went through, as ` (nets.py, line 12)`."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(Path(frame.filename))]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _is_own(file: Path) -> bool:
    return file.is_file() and not is_installed(file) and not file.is_relative_to(_PACKAGE)
